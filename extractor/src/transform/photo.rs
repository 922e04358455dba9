//! Photographs of any size to squares of one size, as torchvision does it, on one image on the CPU.

use super::jitter::Jitter;
use crate::images::Rgb;
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeError, ResizeOptions, Resizer,
    images::{TypedCroppedImage, TypedImage, TypedImageRef},
    pixels::U8x3,
};
use longtail::random::{below, uniform_in};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use serde::{Deserialize, Serialize};
use std::{cell::RefCell, fmt};

/// Area of the random window, as a fraction of the image's.
const SCALE: [f64; 2] = [0.08, 1.0];
/// Width over height of the random window.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
/// Windows that are tried before the largest one in the centre is taken.
const ATTEMPTS: u32 = 10;

/// torchvision's `Resize` and `CenterCrop` for evaluation; `RandomResizedCrop`, a flip and `ColorJitter` for training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Photo {
    /// Length of the shorter side before the centre crop, in pixels.
    pub resize: usize,
    /// Side of the square that the backbone sees, in pixels.
    pub crop: usize,
    /// Random brightness, contrast and saturation, where the recipe has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
    /// How pixels are resampled.
    #[serde(default, skip_serializing_if = "Interpolation::is_bilinear")]
    pub interpolation: Interpolation,
    /// How an oblong image becomes a square one for evaluation.
    #[serde(default, skip_serializing_if = "Fit::is_crop")]
    pub fit: Fit,
}

/// The kernel that pixels are resampled by, antialiased as Pillow does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Triangles, as most networks of torchvision
    #[default]
    Bilinear,
    /// Cubics with a = -0.5, as most networks of timm, CLIP and DINOv2
    Bicubic,
}

impl Interpolation {
    /// Whether it is the one that transforms had before they could choose, and that they leave out.
    pub fn is_bilinear(&self) -> bool {
        *self == Self::Bilinear
    }

    fn filter(self) -> FilterType {
        match self {
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
        }
    }
}

/// How an image of any sides becomes a square one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The shorter side is resized and the centre cut out
    #[default]
    Crop,
    /// Both sides are resized to those of the square
    Squash,
}

impl Fit {
    /// Whether it is the one that transforms had before they could choose, and that they leave out.
    pub fn is_crop(&self) -> bool {
        *self == Self::Crop
    }
}

/// A window of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// First row.
    top: usize,
    /// First column.
    left: usize,
    /// Rows.
    height: usize,
    /// Columns.
    width: usize,
}

impl Window {
    fn whole(image: &Rgb) -> Self {
        Self { top: 0, left: 0, height: image.height, width: image.width }
    }
}

impl Photo {
    /// `Resize(resize)` and `CenterCrop(crop)`, bilinear, without jitter.
    pub const fn new(resize: usize, crop: usize) -> Self {
        Self { resize, crop, jitter: None, interpolation: Interpolation::Bilinear, fit: Fit::Crop }
    }

    /// The evaluation pixels `[crop, crop, 3]`.
    ///
    /// # Errors
    /// [`ResizeError`], for an image without pixels.
    pub fn clean(&self, image: &Rgb) -> Result<Vec<u8>, ResizeError> {
        let (width, height) = match self.fit {
            Fit::Crop => short_side(image.width, image.height, self.resize),
            Fit::Squash => (self.resize, self.resize),
        };
        let resized = resize(image, Window::whole(image), (width, height), self.interpolation)?;
        Ok(centre_crop(&resized, self.crop))
    }

    /// [`Photo::clean`], mirrored.
    ///
    /// # Errors
    /// [`ResizeError`], for an image without pixels.
    pub fn flipped(&self, image: &Rgb) -> Result<Vec<u8>, ResizeError> {
        let mut pixels = self.clean(image)?;
        mirror(&mut pixels, self.crop);
        Ok(pixels)
    }

    /// The mirror image of pixels `[crop, crop, 3]`.
    pub(crate) fn mirrored(&self, pixels: &[u8]) -> Vec<u8> {
        let mut pixels = pixels.to_vec();
        mirror(&mut pixels, self.crop);
        pixels
    }

    /// Training pixels `[crop, crop, 3]`: a random window, mirrored half of the time, with jittered colours.
    ///
    /// # Errors
    /// [`ResizeError`], for an image without pixels.
    pub fn augmented(&self, image: &Rgb, rng: &mut ChaCha8Rng) -> Result<Vec<u8>, ResizeError> {
        let window = random_window(image.width, image.height, rng);
        let mut image = resize(image, window, (self.crop, self.crop), self.interpolation)?;
        if rng.next_u32() >> 31 == 1 {
            mirror(&mut image.pixels, self.crop);
        }
        if let Some(jitter) = &self.jitter {
            jitter.apply(&mut image, rng);
        }
        Ok(image.pixels)
    }

    /// A step that says by what is resampled, where it is not bilinear.
    fn kernel(&self) -> &'static str {
        match self.interpolation {
            Interpolation::Bilinear => "",
            Interpolation::Bicubic => "|bicubic",
        }
    }

    /// The photograph of [`Photo::describe_clean`]; `None` for other steps.
    pub(super) fn from_clean(steps: &str) -> Option<Self> {
        let side = |step: &str| step.strip_prefix('(')?.strip_suffix(')')?.parse().ok();
        let steps: Vec<&str> = steps.split('|').collect();
        let [resize, between @ .., crop] = steps.as_slice() else { return None };
        let mut photo =
            Self::new(side(resize.strip_prefix("resize")?)?, side(crop.strip_prefix("centre-crop")?)?);
        for step in between {
            match *step {
                "squash" => photo.fit = Fit::Squash,
                "bicubic" => photo.interpolation = Interpolation::Bicubic,
                _ => return None,
            }
        }
        Some(photo)
    }

    pub(super) fn describe_clean(&self) -> String {
        let fit = if self.fit == Fit::Squash { "|squash" } else { "" };
        format!("resize({}){fit}{}|centre-crop({})", self.resize, self.kernel(), self.crop)
    }
}

impl fmt::Display for Photo {
    /// The training steps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [smallest, largest] = SCALE;
        write!(f, "random-resized-crop({},scale={smallest} {largest},ratio=3/4 4/3)", self.crop)?;
        write!(f, "{}|flip(0.5)", self.kernel())?;
        self.jitter.as_ref().map_or(Ok(()), |jitter| write!(f, "|{jitter}"))
    }
}

/// Sides after torchvision's `Resize(short)`: the longer one truncated.
fn short_side(width: usize, height: usize, short: usize) -> (usize, usize) {
    let long = |long: usize, other: usize| short * long / other.max(1);
    if width <= height { (short, long(height, width)) } else { (long(width, height), short) }
}

thread_local! {
    /// Holds the intermediate buffer and the chosen instructions of a thread.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Pillow's antialiased resampling of a window, as if there were nothing around it.
fn resize(
    image: &Rgb,
    window: Window,
    (width, height): (usize, usize),
    interpolation: Interpolation,
) -> Result<Rgb, ResizeError> {
    let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut pixels = vec![0; 3 * width * height];
    {
        // Views of one pixel type: code for the dozen others would take minutes to compile.
        let from = TypedImageRef::<U8x3>::from_buffer(size(image.width), size(image.height), &image.pixels)
            .map_err(|_| ResizeError::PixelTypesAreDifferent)?;
        let [left, top, columns, rows] = [window.left, window.top, window.width, window.height].map(size);
        let from = TypedCroppedImage::from_ref(&from, left, top, columns, rows)
            .map_err(|_| ResizeError::PixelTypesAreDifferent)?;
        let mut to = TypedImage::<U8x3>::from_buffer(size(width), size(height), &mut pixels)
            .map_err(|_| ResizeError::PixelTypesAreDifferent)?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(interpolation.filter()));
        RESIZER.with_borrow_mut(|resizer| resizer.resize_typed(&from, &mut to, &options))?;
    }
    Ok(Rgb { width, height, pixels })
}

/// torchvision's `CenterCrop`: zeros around an image that is smaller.
fn centre_crop(image: &Rgb, side: usize) -> Vec<u8> {
    // (first pixel of the image, first pixel of the result, length)
    let span = |length: usize| {
        if length >= side { (round_half(length - side), 0, side) } else { (0, (side - length) / 2, length) }
    };
    let ((left, to_left, width), (top, to_top, height)) = (span(image.width), span(image.height));
    let mut pixels = vec![0; 3 * side * side];
    let rows = image.pixels.chunks_exact(3 * image.width.max(1)).skip(top).take(height);
    for (row, to) in rows.zip(pixels.chunks_exact_mut(3 * side).skip(to_top)) {
        let row = row.get(3 * left..3 * (left + width));
        if let (Some(row), Some(to)) = (row, to.get_mut(3 * to_left..3 * (to_left + width))) {
            to.copy_from_slice(row);
        }
    }
    pixels
}

/// Half of a whole number as Python's `round` gives it: halves go to the even neighbour.
fn round_half(n: usize) -> usize {
    let half = n / 2;
    if n.is_multiple_of(2) || half.is_multiple_of(2) { half } else { half + 1 }
}

/// torchvision's `RandomResizedCrop.get_params`.
fn random_window(width: usize, height: usize, rng: &mut ChaCha8Rng) -> Window {
    let area = (width * height) as f64;
    for _ in 0..ATTEMPTS {
        let target = area * uniform_in(rng, SCALE);
        let ratio = uniform_in(rng, RATIO.map(f64::ln)).exp();
        let (w, h) = (whole((target * ratio).sqrt()), whole((target / ratio).sqrt()));
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = below(rng, height - h + 1);
            return Window { top, left: below(rng, width - w + 1), height: h, width: w };
        }
    }
    let [narrow, wide] = RATIO;
    let ratio = width as f64 / height as f64;
    let (w, h) = if ratio < narrow {
        (width, whole(width as f64 / narrow).clamp(1, height))
    } else if ratio > wide {
        (whole(height as f64 * wide).clamp(1, width), height)
    } else {
        (width, height)
    };
    Window { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of images are small and positive"
)]
fn whole(side: f64) -> usize {
    side.round_ties_even() as usize
}

fn mirror(pixels: &mut [u8], width: usize) {
    for row in pixels.chunks_exact_mut(3 * width.max(1)) {
        row.reverse(); // Now blue, green, red.
        row.chunks_exact_mut(3).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longtail::random::stream;

    /// 4,000 windows of a 400 × 300 image: area uniform in 0.08 … 1 but for windows that do not fit, ratio log-uniform.
    #[test]
    fn windows_cover_the_ranges_of_random_resized_crop() {
        let mut rng = stream(0, "windows", 0);
        let windows: Vec<Window> = (0..4000).map(|_| random_window(400, 300, &mut rng)).collect();
        let scale = |w: &Window| (w.width * w.height) as f64 / 120_000.0;
        let ratio = |w: &Window| w.width as f64 / w.height as f64;
        assert!(windows.iter().all(|w| w.left + w.width <= 400 && w.top + w.height <= 300));
        // Rounding to whole pixels moves either by about 1 in 90.
        assert!(
            windows.iter().all(|w| (0.078..=1.0).contains(&scale(w)) && (0.73..1.36).contains(&ratio(w)))
        );
        let share = |of: &dyn Fn(&Window) -> bool| windows.iter().filter(|w| of(w)).count() as f64 / 4000.0;
        // A window is drawn again where its area is above 0.75 · ratio: 0.2396 of the range of 0.92. What is left has
        // 0.46 / 0.6804 = 0.676 below 0.54, and 0.08 / 0.6804 = 0.118 below 0.16; one standard deviation is 0.008.
        assert!((0.64..0.71).contains(&share(&|w| scale(w) < 0.54)));
        assert!((0.09..0.15).contains(&share(&|w| scale(w) < 0.16)));
        // (0.869 · 0.75 − 0.08) to (1.159 · 0.75 − 0.08) by the mean ratios on either side of 1.
        assert!((0.38..0.46).contains(&share(&|w| ratio(w) < 1.0)));
        assert!(share(&|w| w.top == 0) < 0.2 && share(&|w| w.left > 200) > 0.05);
    }

    #[test]
    fn a_narrow_image_falls_back_to_its_centre() {
        let mut rng = stream(0, "narrow", 0);
        let window = random_window(1000, 2, &mut rng);
        assert_eq!((window.height, window.width), (2, 3));
        assert!(random_window(1, 1, &mut rng) == Window { top: 0, left: 0, height: 1, width: 1 });
    }

    /// Python: `[round(n / 2) for n in range(8)]`.
    #[test]
    fn halves_are_rounded_as_python_does() {
        assert_eq!((0..8).map(round_half).collect::<Vec<_>>(), [0, 0, 1, 2, 2, 2, 3, 4]);
        assert_eq!(short_side(500, 375, 256), (341, 256));
        assert_eq!(short_side(100, 333, 256), (256, 852));
    }

    #[test]
    fn small_images_get_a_black_frame_and_mirrors_keep_their_colours() {
        let mut image = Rgb { width: 2, height: 1, pixels: vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(centre_crop(&image, 4)[12..24], [0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0]);
        mirror(&mut image.pixels, 2);
        assert_eq!(image.pixels, [4, 5, 6, 1, 2, 3]);
    }

    /// torchvision's `resized_crop` cuts first: no pixel outside of the window has a weight.
    #[test]
    fn a_window_is_resized_as_if_it_were_cut_out() {
        let (width, height) = (53, 41);
        let mut pixels = vec![0; 3 * width * height];
        stream(0, "pixels", 0).fill_bytes(&mut pixels);
        let image = Rgb { width, height, pixels };
        for window in [
            Window { top: 3, left: 7, height: 31, width: 29 },
            Window { top: 0, left: 24, height: 41, width: 29 },
            Window { top: 40, left: 52, height: 1, width: 1 },
            Window { top: 5, left: 5, height: 20, width: 20 },
            Window::whole(&image),
        ] {
            let rows = image.pixels.chunks_exact(3 * width).skip(window.top).take(window.height);
            let pixels = rows.flat_map(|row| &row[3 * window.left..3 * (window.left + window.width)]);
            let cut = Rgb { width: window.width, height: window.height, pixels: pixels.copied().collect() };
            for size in [(20, 20), (32, 11), (70, 90)] {
                for kernel in [Interpolation::Bilinear, Interpolation::Bicubic] {
                    let expected = resize(&cut, Window::whole(&cut), size, kernel).unwrap();
                    assert_eq!(resize(&image, window, size, kernel).unwrap(), expected, "{window:?}");
                }
            }
        }
    }
}
