//! Charts as inline SVG, without a script. Positions are shares of the width, so that letters keep their size on every screen. Each chart
//! has a text alternative; its numbers stand in a table beside or below it.

use maud::{Markup, html};

use crate::printer::words::{self, escape_line};

/// Pixels that the page is wide at most.
const WIDEST: f64 = 1080.0;
/// Pixels that it is wide at least where there is more than a telephone, such as on paper; and on a telephone.
const WIDE: f64 = 640.0;
const NARROW: f64 = 350.0;
/// Pixels that a letter of a label takes.
const LETTER: f64 = 7.2;
/// Pixels of a label's line.
const LINE: f64 = 16.0;

/// Pixels that a treemap is high.
const TREEMAP: f64 = 320.0;
/// A tile of less is not drawn: nobody sees it.
const SMALLEST: f64 = 0.0005;

/// A tile of a treemap.
pub struct Tile {
    pub name: String,
    pub size: u64,
    /// The size in words.
    pub label: String,
    /// Everything that has no tile of its own.
    pub is_rest: bool,
}

/// Where a tile lies, in shares of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// Tiles whose areas are their sizes. `about` says what is drawn.
pub fn treemap(about: &str, tiles: &[Tile]) -> Markup {
    let total: f64 = tiles.iter().map(|tile| tile.size as f64).sum();
    let mut drawn: Vec<&Tile> = tiles.iter().filter(|tile| tile.size as f64 / total >= SMALLEST).collect();
    drawn.sort_by_key(|tile| std::cmp::Reverse(tile.size));
    let sizes: Vec<f64> = drawn.iter().map(|tile| tile.size as f64 / total).collect();
    let places = squarify(&sizes, WIDEST / TREEMAP);
    let largest: Vec<String> =
        drawn.iter().take(3).map(|tile| format!("{} {}", escape_line(&tile.name), tile.label)).collect();
    html! {
        svg.treemap role="img" height=(TREEMAP) aria-label=(format!("Treemap: {about}. Largest: {}.", largest.join("; "))) {
            @for (at, (tile, place)) in drawn.iter().zip(places).enumerate() {
                svg x=(percent(place.x)) y=(percent(place.y)) width=(percent(place.width)) height=(percent(place.height)) {
                    title { (escape_line(&tile.name)) ": " (tile.label) }
                    rect width="100%" height="100%" class=(if tile.is_rest { "tile-rest".to_owned() } else { format!("tile-{}", at % 6) }) {}
                    (letters(tile, place))
                }
            }
        }
    }
}

/// The name and the size of a tile, as far as there is room: on a narrow screen there is less.
fn letters(tile: &Tile, place: Place) -> Markup {
    let lines = ((place.height * TREEMAP - 8.0) / LINE).floor() as usize;
    let room = |width: f64| ((place.width * width - 14.0) / LETTER).floor().max(0.0) as usize;
    let fitting = |width: f64| -> Vec<String> {
        // A name of three letters says nothing.
        let (name, room) = (escape_line(&tile.name), room(width));
        if lines == 0 || room < words::width_of(&name).min(6) {
            return Vec::new();
        }
        let label = (lines > 1 && words::width_of(&tile.label) <= room).then(|| tile.label.clone());
        std::iter::once(words::shorten(&name, room)).chain(label).collect()
    };
    let (wide, narrow) = (fitting(WIDE), fitting(NARROW));
    let text = |lines: &[String], class: &str| {
        html! {
            @for (at, line) in lines.iter().enumerate() {
                text x="7" y=(17.0 + LINE * at as f64) class=(format!("{}{class}", if at == 0 { "name" } else { "size" })) { (line) }
            }
        }
    };
    if wide == narrow {
        return text(&wide, "");
    }
    html! { (text(&wide, " wide")) (text(&narrow, " narrow")) }
}

/// Places for tiles of these sizes (descending, 1 together) in a rectangle that is `aspect` times as wide as it is high, none of them longer
/// than it must be (Bruls, Huizing, van Wijk: Squarified Treemaps).
fn squarify(sizes: &[f64], aspect: f64) -> Vec<Place> {
    let total: f64 = sizes.iter().sum();
    let areas: Vec<f64> = sizes.iter().map(|size| size / total * aspect).collect();
    let mut places = Vec::with_capacity(areas.len());
    let (mut x, mut y, mut width, mut height) = (0.0, 0.0, aspect, 1.0_f64);
    let mut rest = &areas[..];
    while !rest.is_empty() {
        let side = f64::min(width, height);
        let worst = |row: &[f64]| {
            let sum: f64 = row.iter().sum();
            let longest = |area: f64| f64::max(side * side * area / (sum * sum), sum * sum / (side * side * area));
            row.iter().copied().map(longest).fold(0.0, f64::max)
        };
        let mut taken = 1;
        while taken < rest.len() && worst(&rest[..=taken]) <= worst(&rest[..taken]) {
            taken += 1;
        }
        let (row, others) = rest.split_at(taken);
        let sum: f64 = row.iter().sum();
        let depth = if side > 0.0 { sum / side } else { 0.0 };
        let mut along = 0.0;
        for area in row {
            let length = if depth > 0.0 { area / depth } else { 0.0 };
            places.push(match width >= height {
                true => Place { x, y: y + along, width: depth, height: length },
                false => Place { x: x + along, y, width: length, height: depth },
            });
            along += length;
        }
        if width >= height {
            (x, width) = (x + depth, f64::max(width - depth, 0.0));
        } else {
            (y, height) = (y + depth, f64::max(height - depth, 0.0));
        }
        rest = others;
    }
    places.iter().map(|place| Place { x: place.x / aspect, width: place.width / aspect, ..*place }).collect()
}

/// One column of [`columns`].
pub struct Column {
    /// What stands under it, where it is the first or the last.
    pub label: String,
    /// Its height; `None`: nothing is there, and something should be.
    pub size: Option<u64>,
    /// It differs much from the one before.
    pub jumps: bool,
    /// What is said of it when a pointer rests on it.
    pub title: String,
}

/// Sizes over time. What is missing is marked below the line, a jump above the column: nobody needs to see colours.
pub fn columns(about: &str, columns: &[Column]) -> Markup {
    let most = columns.iter().filter_map(|column| column.size).max().unwrap_or(0).max(1);
    let step = 1.0 / columns.len().max(1) as f64;
    let missing = columns.iter().filter(|column| column.size.is_none()).count();
    let jumps = columns.iter().filter(|column| column.jumps).count();
    // A few columns are not as wide as a hand.
    let step = step.min(0.08);
    html! {
        svg.columns role="img" height="176" aria-label=(format!("{about}. Most: {}. Missing: {missing}. Jumps: {jumps}.", words::bytes(most))) {
            text.label x="0" y="12" { (words::bytes(most)) }
            line.axis x1="0" x2="100%" y1="24" y2="24" stroke-dasharray="2 4" {}
            @for (at, column) in columns.iter().enumerate() {
                @let (x, width) = (at as f64 * step + step * 0.1, step * 0.8);
                @match column.size {
                    Some(size) => {
                        @let share = size as f64 / most as f64;
                        svg x=(percent(x)) y="24" width=(percent(width)) height="120" {
                            title { (column.title) }
                            rect class=(if column.jumps { "jump" } else { "bar" }) width="100%" y=(percent(1.0 - share)) height=(percent(share)) {}
                        }
                        @if column.jumps { rect.jump x=(percent(x)) width=(percent(width)) y="16" height="5" {} }
                    }
                    None => svg x=(percent(x)) y="146" width=(percent(width)) height="8" {
                        title { (column.title) }
                        rect.gap width="100%" height="100%" {}
                    },
                }
            }
            line.axis x1="0" x2="100%" y1="145" y2="145" {}
            @if let Some(first) = columns.first() { text.label x="0" y="171" { (first.label) } }
            @if columns.len() > 1 && let Some(last) = columns.last() {
                text.label x=(percent(columns.len() as f64 * step)) y="171" text-anchor="end" { (last.label) }
            }
        }
        ul.legend {
            li { (swatch("bar")) "size of the RDB" }
            @if jumps > 0 { li { (swatch("jump")) "differs by more than 30 % from the one before" } }
            @if missing > 0 { li { (swatch("gap")) "no backup" } }
        }
    }
}

fn swatch(class: &str) -> Markup {
    html! { svg width="11" height="11" aria-hidden="true" { rect class=(class) width="11" height="11" {} } }
}

/// A bar in a cell of a table, beside its number: from one share to another of the whole.
pub fn bar(class: &str, from: f64, to: f64) -> Markup {
    let (from, to) = (from.clamp(0.0, 1.0), to.clamp(0.0, 1.0));
    // What is not nothing can be seen.
    let width = if to > from { (to - from).max(0.004) } else { 0.0 };
    html! {
        svg width="100%" height="18" aria-hidden="true" {
            rect class=(class) x=(percent(from.min(1.0 - width))) y="3" width=(percent(width)) height="13" {}
        }
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_the_rectangle_and_their_areas_are_their_sizes() {
        for sizes in [vec![1.0], vec![0.5, 0.3, 0.1, 0.05, 0.05], vec![0.125; 8], vec![0.9, 0.09, 0.009, 0.001]] {
            let places = squarify(&sizes, 3.0);
            assert_eq!(places.len(), sizes.len());
            for (place, size) in places.iter().zip(&sizes) {
                assert!((place.width * place.height - size).abs() < 1e-9, "{place:?} is not {size}");
                let is_inside = place.x > -1e-9
                    && place.y > -1e-9
                    && place.x + place.width < 1.0 + 1e-9
                    && place.y + place.height < 1.0 + 1e-9;
                assert!(is_inside, "{place:?}");
            }
            for (at, one) in places.iter().enumerate() {
                for other in &places[at + 1..] {
                    let overlap = |a: f64, a_long: f64, b: f64, b_long: f64| (a + a_long).min(b + b_long) - a.max(b);
                    let area = overlap(one.x, one.width, other.x, other.width).max(0.0)
                        * overlap(one.y, one.height, other.y, other.height).max(0.0);
                    assert!(area < 1e-9, "{one:?} and {other:?} overlap");
                }
            }
        }
    }

    #[test]
    fn a_bar_lies_where_its_shares_are() {
        for (from, to, x, width) in [
            (0.0, 0.5, "0%", "50%"),
            (0.25, 1.0, "25%", "75%"),
            (0.0, 0.0, "0%", "0%"),
            (1.0, 1.0, "100%", "0%"),
            (0.0, 0.00001, "0%", "0.4%"),
        ] {
            let drawn = bar("bar", from, to).into_string();
            assert!(drawn.contains(&format!("x=\"{x}\" y=\"3\" width=\"{width}\"")), "{from} to {to}: {drawn}");
        }
    }
}
