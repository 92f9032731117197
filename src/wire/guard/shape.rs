//! The words in which layouts are written.

/// One struct of a message: its fields in order, its known tagged fields by tag.
pub(super) struct Shape {
    pub fields: &'static [Field],
    /// The field at index n is the one with tag n.
    pub tags: &'static [Field],
    /// At least what one of these takes in memory once decoded, without what it points to.
    memory: usize,
}

pub(super) struct Field {
    pub kind: Kind,
    pub nullable: bool,
    since: i16,
    until: i16,
}

pub(super) enum Kind {
    /// A number, a boolean or a UUID of so many bytes.
    Fixed(u8),
    Text,
    /// Byte strings and record sets.
    Bytes,
    List(Element),
    /// If it may be null, a byte before it says whether it is: 1, or -1 for null.
    Struct(&'static Shape),
}

pub(super) enum Element {
    Fixed(u8),
    Text,
    Struct(&'static Shape),
}

/// Strings and byte strings are counted slices of the frame.
const SLICE_BYTES: usize = size_of::<bytes::Bytes>();
/// A `Vec`, and the map of unknown tagged fields that every struct has.
const POINTERS_BYTES: usize = 24;
const _: () = assert!(size_of::<Vec<u8>>() == POINTERS_BYTES);
const _: () = assert!(size_of::<std::collections::BTreeMap<i32, u8>>() == POINTERS_BYTES);

pub(super) const fn shape(fields: &'static [Field]) -> Shape {
    tagged(fields, &[])
}

pub(super) const fn tagged(fields: &'static [Field], tags: &'static [Field]) -> Shape {
    let inline = fields_memory(fields).saturating_add(fields_memory(tags));
    Shape {
        fields,
        tags,
        memory: POINTERS_BYTES.saturating_add(inline),
    }
}

const fn fields_memory(mut fields: &[Field]) -> usize {
    let mut sum = 0usize;
    while let [field, rest @ ..] = fields {
        sum = sum.saturating_add(match &field.kind {
            // Room for the padding behind it.
            Kind::Fixed(size) => {
                if *size > 8 {
                    *size as usize
                } else {
                    8
                }
            }
            Kind::Text | Kind::Bytes => SLICE_BYTES,
            Kind::List(_) => POINTERS_BYTES,
            Kind::Struct(shape) => shape.memory,
        });
        fields = rest;
    }
    sum
}

const fn field(kind: Kind) -> Field {
    Field {
        kind,
        nullable: false,
        since: 0,
        until: i16::MAX,
    }
}

pub(super) const I8: Field = field(Kind::Fixed(1));
pub(super) const BOOL: Field = field(Kind::Fixed(1));
pub(super) const I16: Field = field(Kind::Fixed(2));
pub(super) const I32: Field = field(Kind::Fixed(4));
pub(super) const I64: Field = field(Kind::Fixed(8));
pub(super) const UUID: Field = field(Kind::Fixed(16));
pub(super) const TEXT: Field = field(Kind::Text);
pub(super) const BYTES: Field = field(Kind::Bytes);
pub(super) const LIST_I32: Field = field(Kind::List(Element::Fixed(4)));
pub(super) const LIST_I8: Field = field(Kind::List(Element::Fixed(1)));
pub(super) const LIST_I64: Field = field(Kind::List(Element::Fixed(8)));
pub(super) const LIST_TEXT: Field = field(Kind::List(Element::Text));

pub(super) const fn list(shape: &'static Shape) -> Field {
    field(Kind::List(Element::Struct(shape)))
}

pub(super) const fn inner(shape: &'static Shape) -> Field {
    field(Kind::Struct(shape))
}

impl Field {
    pub(super) const fn since(mut self, version: i16) -> Field {
        self.since = version;
        self
    }

    /// The last version that has it.
    pub(super) const fn until(mut self, version: i16) -> Field {
        self.until = version;
        self
    }

    pub(super) const fn or_null(mut self) -> Field {
        self.nullable = true;
        self
    }

    pub(super) const fn exists_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }
}

impl Element {
    /// The fewest bytes that one of these takes on the wire; never zero.
    pub(super) fn wire_min(&self, flexible: bool) -> usize {
        match self {
            Element::Fixed(size) => usize::from(*size),
            Element::Text if flexible => 1,
            Element::Text => 2,
            Element::Struct(_) => 1,
        }
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            Element::Fixed(size) => usize::from(*size),
            Element::Text => SLICE_BYTES,
            Element::Struct(shape) => shape.memory,
        }
    }
}
