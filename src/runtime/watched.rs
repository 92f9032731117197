//! A value of the whole process that every core may read and change.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

/// A value, and who is told of each change of it.
///
/// For what changes a few times a day: each look takes a lock and a copy.
pub struct Watched<T> {
    value: Mutex<T>,
    told: Box<dyn Fn(&T) + Send + Sync>,
}

impl<T: Clone> Watched<T> {
    /// `told` hears every change, one after the other, before `change` returns; it must not look
    /// at the value in other ways than by what it is given.
    pub fn new(value: T, told: impl Fn(&T) + Send + Sync + 'static) -> Self {
        Self {
            value: Mutex::new(value),
            told: Box::new(told),
        }
    }

    /// The value as it is now.
    pub fn get(&self) -> T {
        self.lock().clone()
    }

    /// Changes it. Changes of several cores happen in some order, each after the one before it.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        let mut value = self.lock();
        change(&mut value);
        (self.told)(&value);
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(|error| error.into_inner())
    }
}

/// Nobody is told.
impl<T: Clone + Default> Default for Watched<T> {
    fn default() -> Self {
        Self::new(T::default(), |_| {})
    }
}

impl<T: Clone + fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn changes_of_many_threads_are_told_each_once_and_in_their_order() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let ears = told.clone();
        let hear = move |value: &u32| ears.lock().expect("no panic").push(*value);
        let watched = Watched::new(0, hear);

        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| watched.change(|value| *value += 1)));
            }
        });

        assert_eq!(watched.get(), 400);
        let told = told.lock().expect("no panic").clone();
        assert_eq!(told, (1..=400).collect::<Vec<u32>>());
    }
}
