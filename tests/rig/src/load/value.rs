//! The one record that writer W sends as its N-th.

use thalweg::base::random::Random;

const HEAD: usize = 12;
const LENGTH_MAX: u64 = 1200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId {
    pub writer: u32,
    pub number: u64,
}

impl ValueId {
    pub fn key(self) -> Vec<u8> {
        format!("{}/{}", self.writer, self.number % 1000).into_bytes()
    }

    pub fn value(self) -> Vec<u8> {
        let mut random = Random::with_seed(u64::from(self.writer) << 40 ^ self.number);
        let mut bytes = vec![0; HEAD + random.below(LENGTH_MAX) as usize];
        bytes[..4].copy_from_slice(&self.writer.to_be_bytes());
        bytes[4..HEAD].copy_from_slice(&self.number.to_be_bytes());
        random.fill(&mut bytes[HEAD..]);
        bytes
    }

    /// Whose value this is; none if any byte differs from what that writer sent.
    pub fn of(key: &[u8], value: &[u8]) -> Option<Self> {
        let (writer, rest) = value.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        let id = Self {
            writer: u32::from_be_bytes(*writer),
            number: u64::from_be_bytes(*number),
        };
        (id.key() == key && id.value() == value).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_its_writer_and_a_changed_one_names_nobody() {
        let id = ValueId {
            writer: 3,
            number: 41,
        };
        let mut value = id.value();

        assert_eq!(ValueId::of(&id.key(), &value), Some(id));
        *value.last_mut().expect("not empty") ^= 1;
        assert_eq!(ValueId::of(&id.key(), &value), None);
    }
}
