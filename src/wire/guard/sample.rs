//! Random bodies that follow the layouts: where fuzzing starts from.

use super::layouts;
use super::shape::{Element, Field, Kind, Shape};
use crate::base::random::Random;
use crate::wire::versions::Api;

/// Text of one to four bytes per character.
const LETTERS: [&str; 6] = ["a", "Z", "7", "é", "→", "𝄞"];
/// No layout knows a tag this high.
const UNKNOWN_TAG: u32 = 40;

/// A body that `check` accepts for this API and version, small and varied; empty for an API
/// without a layout. For tests and hostile clients, which spoil it.
pub fn sample(api: &Api, version: i16, random: &mut Random) -> Vec<u8> {
    let mut sampler = Sampler {
        out: Vec::new(),
        version,
        flexible: api.is_flexible(version),
        random,
    };
    if let Some(shape) = layouts::of(api.key) {
        sampler.shape(shape);
    }
    sampler.out
}

struct Sampler<'a> {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
    random: &'a mut Random,
}

impl Sampler<'_> {
    fn shape(&mut self, shape: &Shape) {
        for field in shape.fields {
            if field.exists_in(self.version) {
                self.field(field, field.nullable);
            }
        }
        if self.flexible {
            self.tags(shape.tags);
        }
    }

    fn field(&mut self, field: &Field, nullable: bool) {
        let null = nullable && self.random.one_in(3);
        match &field.kind {
            Kind::Fixed(size) => self.number(*size),
            Kind::Text => self.text(null),
            Kind::Bytes => {
                let count = self.random.below(20) as usize;
                self.length((!null).then_some(count));
                if !null {
                    self.noise(count);
                }
            }
            Kind::List(element) => {
                let count = self.random.below(4) as usize;
                self.length((!null).then_some(count));
                for _ in 0..if null { 0 } else { count } {
                    self.element(element);
                }
            }
            Kind::Struct(shape) => {
                if nullable {
                    self.out.push(if null { 0xFF } else { 1 });
                }
                if !null {
                    self.shape(shape);
                }
            }
        }
    }

    fn element(&mut self, element: &Element) {
        match element {
            Element::Fixed(size) => self.number(*size),
            Element::Text => self.text(false),
            Element::Struct(shape) => self.shape(shape),
        }
    }

    /// Bytes and booleans become 0 or 1, so that both read back as they were.
    fn number(&mut self, size: u8) {
        if size == 1 {
            let bit = self.random.below(2) as u8;
            return self.out.push(bit);
        }
        self.noise(usize::from(size));
    }

    fn text(&mut self, null: bool) {
        let mut text = String::new();
        for _ in 0..self.random.below(8) {
            let letter = self.random.below(LETTERS.len() as u64) as usize;
            text.push_str(LETTERS.get(letter).copied().unwrap_or_default());
        }
        if self.flexible {
            self.length((!null).then_some(text.len()));
        } else if null {
            self.out.extend((-1i16).to_be_bytes());
        } else {
            self.out.extend((text.len() as i16).to_be_bytes());
        }
        if !null {
            self.out.extend(text.as_bytes());
        }
    }

    fn length(&mut self, length: Option<usize>) {
        if self.flexible {
            self.uvarint(length.map_or(0, |length| length.saturating_add(1) as u32));
        } else {
            self.out
                .extend(length.map_or(-1, |length| length as i32).to_be_bytes());
        }
    }

    fn tags(&mut self, known: &[Field]) {
        let mut chosen = Vec::new();
        for (tag, field) in known.iter().enumerate() {
            if field.exists_in(self.version) && self.random.one_in(2) {
                chosen.push((tag as u32, self.apart(|inside| inside.field(field, false))));
            }
        }
        if self.random.one_in(6) {
            chosen.push((UNKNOWN_TAG, self.apart(|inside| inside.noise(30))));
        }
        self.uvarint(chosen.len() as u32);
        for (tag, content) in chosen {
            self.uvarint(tag);
            self.uvarint(content.len() as u32);
            self.out.extend(content);
        }
    }

    /// What `write` would append, by itself.
    fn apart(&mut self, write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let before = std::mem::take(&mut self.out);
        write(self);
        std::mem::replace(&mut self.out, before)
    }

    fn noise(&mut self, count: usize) {
        let end = self.out.len().saturating_add(count);
        let start = self.out.len();
        self.out.resize(end, 0);
        self.random
            .fill(self.out.get_mut(start..).unwrap_or_default());
    }

    fn uvarint(&mut self, value: u32) {
        let mut rest = value;
        while rest >= 0x80 {
            self.out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.out.push(rest as u8);
    }
}
