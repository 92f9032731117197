//! Letters for bitmaps: 5 by 7 dots each, drawn by us so that no font has to be found.
//! In an SVG the viewer's own font is used.

use std::convert::Infallible;

use plotters_backend::text_anchor::Pos;
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, FontFamily};

const COLUMNS: i32 = 5;
const ROWS: i32 = 7;

/// Seven rows from the top; in each the five low bits, leftmost highest.
const GLYPHS: [(char, [u8; 7]); 45] = [
    ('A', [14, 17, 17, 31, 17, 17, 17]),
    ('B', [30, 17, 17, 30, 17, 17, 30]),
    ('C', [14, 17, 16, 16, 16, 17, 14]),
    ('D', [30, 17, 17, 17, 17, 17, 30]),
    ('E', [31, 16, 16, 30, 16, 16, 31]),
    ('F', [31, 16, 16, 30, 16, 16, 16]),
    ('G', [14, 17, 16, 23, 17, 17, 14]),
    ('H', [17, 17, 17, 31, 17, 17, 17]),
    ('I', [14, 4, 4, 4, 4, 4, 14]),
    ('J', [7, 2, 2, 2, 2, 18, 12]),
    ('K', [17, 18, 20, 24, 20, 18, 17]),
    ('L', [16, 16, 16, 16, 16, 16, 31]),
    ('M', [17, 27, 21, 21, 17, 17, 17]),
    ('N', [17, 25, 21, 19, 17, 17, 17]),
    ('O', [14, 17, 17, 17, 17, 17, 14]),
    ('P', [30, 17, 17, 30, 16, 16, 16]),
    ('Q', [14, 17, 17, 17, 21, 18, 13]),
    ('R', [30, 17, 17, 30, 20, 18, 17]),
    ('S', [15, 16, 16, 14, 1, 1, 30]),
    ('T', [31, 4, 4, 4, 4, 4, 4]),
    ('U', [17, 17, 17, 17, 17, 17, 14]),
    ('V', [17, 17, 17, 17, 17, 10, 4]),
    ('W', [17, 17, 17, 21, 21, 27, 17]),
    ('X', [17, 17, 10, 4, 10, 17, 17]),
    ('Y', [17, 17, 10, 4, 4, 4, 4]),
    ('Z', [31, 1, 2, 4, 8, 16, 31]),
    ('0', [14, 17, 19, 21, 25, 17, 14]),
    ('1', [4, 12, 4, 4, 4, 4, 14]),
    ('2', [14, 17, 1, 6, 8, 16, 31]),
    ('3', [30, 1, 1, 14, 1, 1, 30]),
    ('4', [2, 6, 10, 18, 31, 2, 2]),
    ('5', [31, 16, 30, 1, 1, 17, 14]),
    ('6', [6, 8, 16, 30, 17, 17, 14]),
    ('7', [31, 1, 2, 4, 8, 8, 8]),
    ('8', [14, 17, 17, 14, 17, 17, 14]),
    ('9', [14, 17, 17, 15, 1, 2, 12]),
    ('.', [0, 0, 0, 0, 0, 12, 12]),
    (',', [0, 0, 0, 0, 12, 4, 8]),
    (':', [0, 12, 12, 0, 12, 12, 0]),
    ('-', [0, 0, 0, 14, 0, 0, 0]),
    ('/', [1, 1, 2, 4, 8, 16, 16]),
    ('%', [25, 25, 2, 4, 8, 19, 19]),
    ('(', [2, 4, 8, 8, 8, 4, 2]),
    (')', [8, 4, 2, 2, 2, 4, 8]),
    (' ', [0; 7]),
];

/// How a piece of text looks on either backend.
pub struct Label {
    /// The height of a line in pixels.
    pub size: u32,
    pub colour: BackendColor,
    pub anchor: Pos,
}

impl Label {
    /// Pixels to a dot.
    fn scale(&self) -> i32 {
        (self.size as i32 / 7).max(1)
    }
}

impl BackendTextStyle for Label {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.colour
    }

    fn size(&self) -> f64 {
        f64::from(self.size) * 1.24
    }

    fn anchor(&self) -> Pos {
        self.anchor
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::SansSerif
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        let width = text.chars().count() as i32 * (COLUMNS + 1) * self.scale();
        Ok(((0, 0), (width, ROWS * self.scale())))
    }

    fn draw<E, DrawFunc: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        at: BackendCoord,
        mut draw: DrawFunc,
    ) -> Result<Result<(), E>, Infallible> {
        let scale = self.scale();
        for (place, letter) in text.chars().enumerate() {
            let left = at.0 + place as i32 * (COLUMNS + 1) * scale;
            for (row, bits) in rows(letter).iter().enumerate() {
                for column in (0..COLUMNS).filter(|it| bits >> (COLUMNS - 1 - it) & 1 == 1) {
                    for dot in 0..scale * scale {
                        let x = left + column * scale + dot % scale;
                        let y = at.1 + row as i32 * scale + dot / scale;
                        if let Err(error) = draw(x, y, self.colour) {
                            return Ok(Err(error));
                        }
                    }
                }
            }
        }
        Ok(Ok(()))
    }
}

/// A letter without a glyph is a full box: it is seen, not skipped.
fn rows(letter: char) -> [u8; 7] {
    let upper = letter.to_ascii_uppercase();
    GLYPHS
        .iter()
        .find(|it| it.0 == upper)
        .map_or([31; 7], |it| it.1)
}
