//! A thin layer over SVG text: shapes by class, numbers in a fixed form, colours that follow the theme.

use super::Figure;
use crate::report::markup::escaped;
use files::text;
use std::fmt::Write;

/// Colours by CSS variables with fallbacks: a page sets `--figure-…` for its theme; a program without variables takes the
/// fallbacks ([`light`]). Series are Okabe and Ito's palette, told apart in all common forms of colour blindness; its
/// yellow and orange are darker, to be seen on white.
const STYLE: &str = "\
.figure{font-family:'Noto Sans',system-ui,sans-serif;font-size:11px}\
.figure text{fill:var(--figure-ink,#222222)}\
.figure .muted{fill:var(--figure-muted,#5f6368)}\
.figure .heading{font-size:12px;font-weight:bold}\
.figure .on-dark{fill:#ffffff}.figure .on-light{fill:#1a1a1a}\
.figure .grid{stroke:var(--figure-grid,#e3e5e8);stroke-width:1}\
.figure .axis{stroke:var(--figure-axis,#80868b);stroke-width:1}\
.figure .guide{fill:none;stroke:var(--figure-axis,#80868b);stroke-width:1.2;stroke-dasharray:4 3}\
.figure .line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}\
.figure .thin{fill:none;stroke:currentColor;stroke-width:1.3}\
.figure .dot{fill:currentColor;fill-opacity:0.8}\
.figure .faint{fill:currentColor;fill-opacity:0.45}\
.figure .band{fill:currentColor;fill-opacity:0.18}\
.figure .bar{fill:currentColor;fill-opacity:0.7}\
.figure .colored,.figure .colored-text{fill:currentColor}\
.figure .s0{color:var(--figure-s0,#0072b2)}\
.figure .s1{color:var(--figure-s1,#d55e00)}\
.figure .s2{color:var(--figure-s2,#009e73)}\
.figure .s3{color:var(--figure-s3,#b8609a)}\
.figure .s4{color:var(--figure-s4,#4d4d4d)}\
.figure .s5{color:var(--figure-s5,#56a5d8)}\
.figure .s6{color:var(--figure-s6,#b37700)}";

/// Only a file of its own has the drawing as root; inside a page the page decides.
const DARK: &str = "@media (prefers-color-scheme:dark){svg.figure:root{background:#16181b;\
--figure-ink:#e8eaed;--figure-muted:#a8adb4;--figure-grid:#303338;--figure-axis:#8a9099;\
--figure-s0:#4fa8e0;--figure-s1:#f08848;--figure-s2:#35c79b;--figure-s3:#dd95c3;--figure-s4:#c4c7cc;\
--figure-s5:#8cc8f0;--figure-s6:#e0a83a}}";

/// Where a text is held.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing under construction; lengths in pixels, y down.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// A line of words below everything, for what must not be lost where the caption is.
    pub(super) fn foot(&mut self, words: &str) {
        self.height += 20.0;
        self.text("muted", (8.0, self.height - 8.0), Anchor::Start, words);
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, &[from, to]);
    }

    /// A line through the points.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        self.shape(class, points, "");
    }

    /// The area inside the points.
    pub(super) fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        self.shape(class, points, "Z");
    }

    fn shape(&mut self, class: &str, points: &[(f64, f64)], end: &str) {
        let mut path = String::new();
        for (index, &(x, y)) in points.iter().enumerate() {
            // Writing to a string cannot fail, here and below.
            let _ = write!(path, "{}{} {}", if index == 0 { "M" } else { "L" }, number(x), number(y));
        }
        let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{path}{end}\"/>");
    }

    /// A rectangle; `fill` overrides the class, `tip` is shown when pointed at.
    pub(super) fn rect(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        (w, h): (f64, f64),
        fill: Option<&str>,
        tip: &str,
    ) {
        let fill = fill.map(|fill| format!(" fill=\"{fill}\"")).unwrap_or_default();
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{fill}{}",
            number(x),
            number(y),
            number(w.max(0.0)),
            number(h.max(0.0)),
            closing("rect", tip)
        );
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, tip: &str) {
        let _ = writeln!(
            self.body,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"{}",
            number(x),
            number(y),
            number(radius),
            closing("circle", tip)
        );
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.placed_text(class, (x, y), anchor, text, "");
    }

    /// A text that runs upwards.
    pub(super) fn upright_text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let turn = format!(" transform=\"rotate(-90 {} {})\"", number(x), number(y));
        self.placed_text(class, (x, y), Anchor::Middle, text, &turn);
    }

    fn placed_text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str, more: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\"{more}>{}</text>",
            number(x),
            number(y),
            escape(text)
        );
    }

    /// The drawing with its words, which are for people who hear the page too.
    pub(super) fn figure(self, name: &'static str, title: &str, caption: String) -> Figure {
        Figure { name, title: title.to_owned(), svg: self.finish(name, title, &caption), caption }
    }

    /// The whole text.
    pub(super) fn finish(self, name: &str, title: &str, description: &str) -> String {
        let (width, height) = (number(self.width), number(self.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-description\">\n\
             <title id=\"{name}-title\">{}</title>\n<desc id=\"{name}-description\">{}</desc>\n\
             <style>{STYLE}{DARK}</style>\n{}</svg>\n",
            escape(title),
            escape(description),
            self.body
        )
    }
}

/// The same drawing in its light colours, without CSS variables, for programs that do not know them.
pub(super) fn light(svg: &str) -> String {
    let svg = svg.replace(DARK, "");
    let mut parts = svg.split("var(");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // `--name,fallback)rest`
        let (variable, rest) = part.split_once(')').unwrap_or((part, ""));
        text += variable.split_once(',').map_or(variable, |(_, fallback)| fallback);
        text += rest;
    }
    text
}

/// One digit after the point and no negative zero: the same bytes everywhere. What lies far outside stays there, at a number
/// that every program reads.
fn number(value: f64) -> String {
    const FAR: f64 = 1e6;
    let value = if value.is_nan() { FAR } else { value.clamp(-FAR, FAR) };
    format!("{}", (value * 10.0).round() / 10.0 + 0.0)
}

fn closing(element: &str, tip: &str) -> String {
    if tip.is_empty() { "/>".to_owned() } else { format!("><title>{}</title></{element}>", escape(tip)) }
}

/// Text as XML, which allows neither control characters nor the two that are none.
fn escape(text: &str) -> String {
    escaped(&text::name(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_zero_has_no_sign() {
        assert_eq!([-0.04, 1.25, 30.0, 1.0 / 3.0].map(number), ["0", "1.3", "30", "0.3"]);
        assert_eq!([f64::INFINITY, -1e300, f64::NAN].map(number), ["1000000", "-1000000", "1000000"]);
    }

    #[test]
    fn text_is_escaped_and_shapes_carry_their_tip() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text("muted", (1.0, 2.0), Anchor::End, "a < b & \"c\"");
        svg.circle("dot s0", (1.0, 2.0), 3.0, "class 1");
        let text = svg.finish("f", "t<", "d");
        assert!(text.contains("text-anchor=\"end\">a &lt; b &amp; &quot;c&quot;</text>"), "{text}");
        assert!(text.contains("r=\"3\"><title>class 1</title></circle>"), "{text}");
        assert!(text.contains("<title id=\"f-title\">t&lt;</title>"), "{text}");
    }

    #[test]
    fn any_name_becomes_an_image() {
        let mut svg = Svg::new(40.0, 20.0);
        svg.text("muted", (1.0, 12.0), Anchor::Start, "\u{1b}[31m\0\u{b}\u{fffe}\u{ffff}\u{85}");
        let text = svg.finish("f", "\u{1b}", "\u{1}");
        assert!(text.contains(r"\u{1b}[31m\u{0}"), "{text}");
        assert!(crate::report::figures::png(&text).is_ok());
    }

    #[test]
    fn the_light_drawing_has_no_variable_and_no_dark_rule() {
        let text = light(&Svg::new(1.0, 1.0).finish("f", "t", "d"));
        assert!(!text.contains("var(") && !text.contains("@media"), "{text}");
        assert!(text.contains(".figure text{fill:#222222}"), "{text}");
    }
}
