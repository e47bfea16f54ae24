//! A table of shares as a picture (SVG): one column a length, one row a depth.

use std::fmt::Write;

/// What the picture shows.
pub struct Heatmap<'a> {
    pub title: &'a str,
    /// Labels from left to right.
    pub columns: &'a [String],
    /// Labels from top to bottom.
    pub rows: &'a [String],
    /// The share at (column, row), 0 to 1, and of how many questions; None where none was asked.
    pub cell: &'a dyn Fn(usize, usize) -> Option<(f64, usize)>,
}

const WIDTH: usize = 74;
const HEIGHT: usize = 30;
const LEFT: usize = 90;
const TOP: usize = 58;

impl Heatmap<'_> {
    /// The picture, which needs nothing from outside.
    pub fn svg(&self) -> String {
        let (width, height) = (LEFT + WIDTH * self.columns.len() + 16, TOP + HEIGHT * self.rows.len() + 16);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" font-family=\"sans-serif\" font-size=\"13\">\n<title>{0}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"12\" y=\"22\" font-size=\"15\" fill=\"#222\">{0}</text>\n",
            escaped(self.title)
        );
        let mut text = |x: usize, y: usize, anchor: &str, fill: &str, label: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{}</text>",
                escaped(label)
            );
        };
        for (i, column) in self.columns.iter().enumerate() {
            text(LEFT + WIDTH * i + WIDTH / 2, TOP - 10, "middle", "#222", column);
        }
        for (j, row) in self.rows.iter().enumerate() {
            text(LEFT - 8, TOP + HEIGHT * j + HEIGHT / 2 + 5, "end", "#222", row);
        }
        for i in 0..self.columns.len() {
            for j in 0..self.rows.len() {
                let (x, y) = (LEFT + WIDTH * i, TOP + HEIGHT * j);
                let (fill, ink, label, hint) = match (self.cell)(i, j) {
                    Some((share, count)) => {
                        let ink = if share > 0.55 { "#fff" } else { "#222" };
                        let hint = format!("{:.1} % of {count}", share * 100.0);
                        (colour(share), ink, format!("{:.0}", share * 100.0), hint)
                    }
                    None => ("#eee".into(), "#666", "–".into(), "not asked".into()),
                };
                let _ = writeln!(
                    out,
                    "<g><title>{}, {}: {hint}</title><rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"/>\
                     <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\">{label}</text></g>",
                    escaped(&self.columns[i]),
                    escaped(&self.rows[j]),
                    WIDTH - 2,
                    HEIGHT - 2,
                    x + WIDTH / 2,
                    y + HEIGHT / 2 + 5,
                );
            }
        }
        out + "</svg>\n"
    }
}

/// From nearly white at 0 to dark blue at 1: readable in print and for colour-blind eyes.
fn colour(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(240.0, 8.0), mix(244.0, 64.0), mix(250.0, 129.0))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_drawn() {
        let columns = ["4K".to_string(), "<64K>".into()];
        let rows = ["0 %".to_string()];
        let cell = |i: usize, _: usize| (i == 0).then_some((0.987, 75));
        let svg = Heatmap { title: "A & B", columns: &columns, rows: &rows, cell: &cell }.svg();
        assert!(svg.contains(">99<") && svg.contains("98.7 % of 75") && svg.contains("not asked"));
        assert!(svg.contains("A &amp; B") && svg.contains("&lt;64K&gt;") && !svg.contains("<64K>"));
        assert_eq!(svg.matches("<rect").count(), 3);
    }

    #[test]
    fn colours_get_darker() {
        assert_eq!((colour(0.0), colour(1.0), colour(7.0)), ("#f0f4fa".into(), "#084081".into(), "#084081".into()));
    }
}
