//! A vector in pieces: it grows without moving what it holds.

use std::ops::{Index, IndexMut};

/// Elements of a piece. The first piece grows by doubling, so that short ones stay small.
const PIECE: usize = 1024;

/// As `Vec`, for lists that may become long on a core that has no time to copy them: doubling
/// 32 MB of rows held up everybody for 150 ms where fresh memory is dear (`runtime::fresh`).
#[derive(Clone, Debug)]
pub struct ChunkedVec<T> {
    /// All but the last are full.
    pieces: Vec<Vec<T>>,
}

impl<T> ChunkedVec<T> {
    pub fn push(&mut self, element: T) {
        match self.pieces.last_mut().filter(|last| last.len() < PIECE) {
            Some(last) => last.push(element),
            None => {
                let capacity = if self.pieces.is_empty() { 1 } else { PIECE };
                let mut piece = Vec::with_capacity(capacity);
                piece.push(element);
                self.pieces.push(piece);
            }
        }
    }

    pub fn len(&self) -> usize {
        match self.pieces.last() {
            Some(last) => (self.pieces.len() - 1) * PIECE + last.len(),
            None => 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    pub fn first(&self) -> Option<&T> {
        self.get(0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let held = |piece: &Vec<T>| piece.capacity() * size_of::<T>();
        self.pieces.iter().map(held).sum::<usize>() + self.pieces.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> Default for ChunkedVec<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Index<usize> for ChunkedVec<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.pieces[at / PIECE][at % PIECE]
    }
}

impl<T> IndexMut<usize> for ChunkedVec<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.pieces[at / PIECE][at % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_vec_holds_and_moves_nothing_once_it_is_long() {
        let mut list = ChunkedVec::default();
        let mut addresses = Vec::new();
        for number in 0..3 * PIECE + 5 {
            assert_eq!(list.len(), number);
            list.push(number);
            if number >= PIECE {
                addresses.push((number, std::ptr::from_ref(&list[number])));
            }
        }

        assert!(list.iter().copied().eq(0..3 * PIECE + 5));
        assert_eq!(list.first(), Some(&0));
        assert_eq!(list.get(3 * PIECE + 5), None);
        for (number, address) in addresses {
            assert_eq!(std::ptr::from_ref(&list[number]), address);
        }
        list[2 * PIECE] = 7;
        assert_eq!(list.get(2 * PIECE), Some(&7));
    }

    #[test]
    fn a_short_one_is_small() {
        let mut list = ChunkedVec::default();
        assert!(list.is_empty());
        list.push([0_u8; 64]);

        assert!(list.memory_bytes() < 1024, "{}", list.memory_bytes());
    }
}
