//! SVG to PNG with a font that comes along, so that every machine gives the same bytes.

use super::svg::light;
use crate::report::ReportError;
use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};
use std::sync::Arc;

/// Pixels of the image for each of the drawing: sharp in print at its natural size.
const SCALE: f32 = 2.0;

/// Draws a figure on white, in its light colours, at twice its size.
///
/// # Errors
/// [`ReportError::Encode`] when the text is no SVG or the image is too large.
pub fn png(svg: &str) -> Result<Vec<u8>, ReportError> {
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| ReportError::Encode { format: "png", source };
    let mut fonts = Database::new();
    fonts.load_font_data(ttf_noto_sans::REGULAR.to_vec());
    fonts.load_font_data(ttf_noto_sans::BOLD.to_vec());
    let options = Options { fontdb: Arc::new(fonts), ..Options::default() };
    let tree = Tree::from_str(&light(svg), &options).map_err(|error| failed(error.into()))?;
    let size =
        tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| failed("the drawing has no size".into()))?;
    let mut image = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| failed("the image does not fit into memory".into()))?;
    image.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut image.as_mut());
    image.encode_png().map_err(|error| failed(error.into()))
}
