//! A line chart in a unit square, drawn on any of plotters' backends.
//!
//! plotters' own charts need a font library; these need no more than its backends.

use std::path::Path;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{BackendColor, DrawingBackend, DrawingErrorKind};

use super::glyphs::Label;

const SIZE: (i32, i32) = (960, 540);
const LEFT: i32 = 120;
const RIGHT: i32 = 930;
const TOP: i32 = 60;
const BOTTOM: i32 = 470;

const BLACK: BackendColor = colour(0x22, 0x22, 0x22);
const GRID: BackendColor = colour(0xdd, 0xdd, 0xdd);
const WHITE: BackendColor = colour(0xff, 0xff, 0xff);
/// Told apart by most eyes, also in grey.
const LINES: [BackendColor; 5] = [
    colour(0x00, 0x5f, 0xaf),
    colour(0xd5, 0x5e, 0x00),
    colour(0x00, 0x9e, 0x73),
    colour(0xcc, 0x79, 0xa7),
    colour(0x55, 0x55, 0x55),
];

pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

pub struct Axis {
    pub label: &'static str,
    /// Places from 0 to 1, and what stands there.
    pub ticks: Vec<(f64, String)>,
}

pub struct Series {
    /// For the legend; only the first line of a name has one.
    pub name: Option<String>,
    pub colour: usize,
    /// From 0 to 1 on both axes.
    pub points: Vec<(f64, f64)>,
}

const fn colour(red: u8, green: u8, blue: u8) -> BackendColor {
    BackendColor {
        alpha: 1.0,
        rgb: (red, green, blue),
    }
}

impl Chart {
    pub fn write_svg(&self, file: &Path) -> Result<(), String> {
        self.draw(SVGBackend::new(file, (SIZE.0 as u32, SIZE.1 as u32)))
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    pub fn write_png(&self, file: &Path) -> Result<(), String> {
        self.draw(BitMapBackend::new(file, (SIZE.0 as u32, SIZE.1 as u32)))
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    fn draw<B: DrawingBackend>(&self, mut on: B) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        on.ensure_prepared()?;
        on.draw_rect((0, 0), SIZE, &WHITE, true)?;
        text(&mut on, &self.title, 20, (LEFT, 24), HPos::Left)?;
        for (at, mark) in &self.x.ticks {
            let x = across(*at);
            on.draw_line((x, TOP), (x, BOTTOM), &GRID)?;
            text(&mut on, mark, 13, (x, BOTTOM + 14), HPos::Center)?;
        }
        for (at, mark) in &self.y.ticks {
            let y = up(*at);
            on.draw_line((LEFT, y), (RIGHT, y), &GRID)?;
            text(&mut on, mark, 13, (LEFT - 8, y), HPos::Right)?;
        }
        on.draw_line((LEFT, BOTTOM), (RIGHT, BOTTOM), &BLACK)?;
        on.draw_line((LEFT, TOP), (LEFT, BOTTOM), &BLACK)?;
        text(
            &mut on,
            self.x.label,
            14,
            ((LEFT + RIGHT) / 2, BOTTOM + 38),
            HPos::Center,
        )?;
        text(&mut on, self.y.label, 14, (LEFT, TOP - 14), HPos::Left)?;
        let mut legend = LEFT + 16;
        for series in &self.series {
            let colour = LINES[series.colour % LINES.len()];
            let places: Vec<_> = series
                .points
                .iter()
                .map(|it| (across(it.0), up(it.1)))
                .collect();
            for pair in places.windows(2) {
                on.draw_line(pair[0], pair[1], &colour)?;
                // A second line one pixel below: thick enough to see, on every backend alike.
                on.draw_line(below(pair[0]), below(pair[1]), &colour)?;
            }
            if let Some(name) = &series.name {
                on.draw_rect(
                    (legend, BOTTOM + 54),
                    (legend + 14, BOTTOM + 62),
                    &colour,
                    true,
                )?;
                text(&mut on, name, 14, (legend + 20, BOTTOM + 58), HPos::Left)?;
                legend += 50 + 9 * name.len() as i32;
            }
        }
        on.present()
    }
}

fn below(place: (i32, i32)) -> (i32, i32) {
    (place.0, place.1 + 1)
}

fn across(share: f64) -> i32 {
    LEFT + (share.clamp(0.0, 1.0) * f64::from(RIGHT - LEFT)) as i32
}

fn up(share: f64) -> i32 {
    BOTTOM - (share.clamp(0.0, 1.0) * f64::from(BOTTOM - TOP)) as i32
}

fn text<B: DrawingBackend>(
    on: &mut B,
    text: &str,
    size: u32,
    at: (i32, i32),
    align: HPos,
) -> Result<(), DrawingErrorKind<B::ErrorType>> {
    let style = Label {
        size,
        colour: BLACK,
        anchor: Pos::new(align, VPos::Center),
    };
    on.draw_text(text, &style, at)
}
