//! The decoder of libjpeg-turbo, as `mozjpeg-sys` builds it, behind safe functions.
//!
//! libjpeg reports what it cannot decode by a call that must not return. Here that call unwinds to [`guarded`], through C code that
//! `mozjpeg-sys` (feature `unwinding`) compiles and declares for it.

use mozjpeg_sys as ffi;
use std::{
    any::Any,
    ffi::{c_int, c_long},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
};

/// Scans that a progressive file may have; encoders write about ten. Each one costs a pass over the whole image.
const MAX_SCANS: c_int = 1000;

/// A file whose header is read.
pub(super) struct Decoder<'bytes> {
    /// Made by `Box::into_raw`: libjpeg keeps pointers into it.
    state: *mut State,
    _bytes: std::marker::PhantomData<&'bytes [u8]>,
}

struct State {
    image: ffi::jpeg_decompress_struct,
    errors: ffi::jpeg_error_mgr,
    source: ffi::jpeg_source_mgr,
    progress: ffi::jpeg_progress_mgr,
}

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Identifier of each component.
    pub(super) components: Vec<c_int>,
    /// Whether the components, or parts of them, come one after the other.
    pub(super) multiple_scans: bool,
}

/// Colours that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// Three bytes a pixel, from grey, YCbCr or RGB.
    Rgb,
    /// Four bytes a pixel as they are stored, from CMYK or YCCK.
    Cmyk,
}

/// Why a file is not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The bytes end before the image does.
    EndsEarly,
    /// What libjpeg says.
    Message(String),
    /// As many bytes were not to be had.
    Memory(usize),
}

impl Colours {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

impl<'bytes> Decoder<'bytes> {
    /// Reads the header.
    ///
    /// # Errors
    /// What libjpeg says of the file.
    pub(super) fn new(bytes: &'bytes [u8]) -> Result<Self, Failure> {
        // SAFETY: structs of C that zeros are a valid value of: numbers, pointers, and functions in `Option`.
        let state: State = unsafe { mem::zeroed() };
        let decoder = Self { state: Box::into_raw(Box::new(state)), _bytes: std::marker::PhantomData };
        // SAFETY: `state` lives until the decoder is dropped and nobody else has it; `create` leaves pointers to its fields in
        // `image`, where libjpeg expects them. The bytes outlive the decoder, by its lifetime.
        guarded(|| unsafe {
            let state = decoder.state;
            (*state).image.common.err = ffi::jpeg_std_error(&mut (*state).errors);
            (*state).errors.error_exit = Some(fail);
            (*state).errors.emit_message = Some(warn);
            ffi::jpeg_create_decompress(&raw mut (*state).image);
            (*state).source = source(bytes);
            (*state).image.src = &raw mut (*state).source;
            (*state).progress.progress_monitor = Some(limit_scans);
            (*state).image.common.progress = &raw mut (*state).progress;
            ffi::jpeg_read_header(&mut (*state).image, 1)
        })?;
        Ok(decoder)
    }

    pub(super) fn header(&self) -> Header {
        // SAFETY: after `new` the header's fields are set, and `comp_info` has `num_components` entries.
        unsafe {
            let image = &(*self.state).image;
            let components = usize::try_from(image.num_components).unwrap_or(0);
            let info: &[ffi::jpeg_component_info] = if image.comp_info.is_null() {
                &[]
            } else {
                std::slice::from_raw_parts(image.comp_info, components)
            };
            Header {
                width: image.image_width as usize,
                height: image.image_height as usize,
                components: info.iter().map(|component| component.component_id).collect(),
                multiple_scans: ffi::jpeg_has_multiple_scans(image) != 0,
            }
        }
    }

    /// Decodes the pixels `[height, width, colours.bytes()]`, to the end marker.
    ///
    /// # Errors
    /// What libjpeg says of the file, damage that it only warns of among it.
    pub(super) fn decode(self, colours: Colours) -> Result<Vec<u8>, Failure> {
        let state = self.state;
        // SAFETY: the state is that of a decoder whose header is read, and the calls are in the order that libjpeg asks for. Rows
        // are written into `pixels`: `output_height` rows of `row` bytes, the size that libjpeg itself computed.
        guarded(|| unsafe {
            let image = &mut (*state).image;
            image.out_color_space = match colours {
                Colours::Rgb => ffi::J_COLOR_SPACE::JCS_RGB,
                Colours::Cmyk => ffi::J_COLOR_SPACE::JCS_CMYK,
            };
            #[cfg(target_arch = "x86_64")]
            fast::install(image);
            ffi::jpeg_start_decompress(image);
            let row = image.output_width as usize * colours.bytes();
            if usize::try_from(image.output_components) != Ok(colours.bytes()) {
                stop(Failure::Message("colours that cannot be converted".to_owned()));
            }
            let size = row * image.output_height as usize;
            let mut pixels = Vec::new();
            if pixels.try_reserve_exact(size).is_err() {
                stop(Failure::Memory(size));
            }
            pixels.resize(size, 0_u8);
            while image.output_scanline < image.output_height {
                let Some(to) = pixels.get_mut(image.output_scanline as usize * row..) else { break };
                let mut to = to.as_mut_ptr();
                ffi::jpeg_read_scanlines(image, &raw mut to, 1);
            }
            ffi::jpeg_finish_decompress(image);
            pixels
        })
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` in `new`, dropped once; zeros, where `new` failed early, are a state that libjpeg takes
        // for destroyed already.
        unsafe {
            ffi::jpeg_destroy_decompress(&mut (*self.state).image);
            drop(Box::from_raw(self.state));
        }
    }
}

/// Runs calls to libjpeg; its fatal error is the error.
fn guarded<T>(calls: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(calls)).map_err(|payload: Box<dyn Any + Send>| {
        let unknown = |_| Failure::Message("the decoder gave up".to_owned());
        payload.downcast::<Failure>().map_or_else(unknown, |failure| *failure)
    })
}

/// Leaves libjpeg. Not a panic: no hook is to print it.
fn stop(failure: Failure) -> ! {
    resume_unwind(Box::new(failure))
}

extern "C-unwind" fn fail(image: &mut ffi::jpeg_common_struct) {
    type Format = unsafe extern "C-unwind" fn(&mut ffi::jpeg_common_struct, &mut [u8; 80]);
    let mut text = [0_u8; 80];
    // SAFETY: `err` is the manager that `new` set. libjpeg's function writes a string of at most 80 bytes with its zero; its
    // declaration has a shared reference there, by mistake.
    unsafe {
        if let Some(format) = (*image.err).format_message {
            let format: Format = mem::transmute(format);
            format(image, &mut text);
        }
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    stop(Failure::Message(String::from_utf8_lossy(text).into_owned()));
}

/// Of `jerror.h` in a library with arithmetic coding.
const JWRN_ARITH_BAD_CODE: ffi::J_MESSAGE_CODE = 126;

/// What libjpeg passes over with a warning though pixels are made up for it, otherwise by each of its versions.
const DAMAGE: [ffi::J_MESSAGE_CODE; 4] =
    [JWRN_ARITH_BAD_CODE, ffi::JWRN_BOGUS_PROGRESSION, ffi::JWRN_HUFF_BAD_CODE, ffi::JWRN_MUST_RESYNC];

/// Stops at damage, and keeps other warnings (bytes between segments, unknown versions of markers) from stderr.
extern "C-unwind" fn warn(image: &mut ffi::jpeg_common_struct, level: c_int) {
    // SAFETY: `err` is the manager that `new` set.
    let code = unsafe { (*image.err).msg_code };
    let is = |warning: ffi::J_MESSAGE_CODE| level < 0 && code == warning;
    if is(ffi::JWRN_HIT_MARKER) {
        stop(Failure::EndsEarly);
    }
    if DAMAGE.into_iter().any(is) {
        fail(image);
    }
}

extern "C-unwind" fn limit_scans(image: &mut ffi::jpeg_common_struct) {
    // SAFETY: `common` is the first field of the struct that the callback was set in.
    let scans = unsafe { (*ptr::from_mut(image).cast::<ffi::jpeg_decompress_struct>()).input_scan_number };
    if scans > MAX_SCANS {
        stop(Failure::Message(format!("more than {MAX_SCANS} scans")));
    }
}

/// Bytes in memory. libjpeg's own source makes up an end marker where they run out; this one says so.
fn source(bytes: &[u8]) -> ffi::jpeg_source_mgr {
    ffi::jpeg_source_mgr {
        next_input_byte: bytes.as_ptr(),
        bytes_in_buffer: bytes.len(),
        init_source: Some(nothing),
        fill_input_buffer: Some(fill),
        skip_input_data: Some(skip),
        resync_to_restart: Some(resync),
        term_source: Some(nothing),
    }
}

extern "C-unwind" fn nothing(_: &mut ffi::jpeg_decompress_struct) {}

extern "C-unwind" fn fill(_: &mut ffi::jpeg_decompress_struct) -> ffi::boolean {
    stop(Failure::EndsEarly)
}

extern "C-unwind" fn skip(image: &mut ffi::jpeg_decompress_struct, count: c_long) {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: `src` is the source that `new` set, and the pointer stays within its bytes.
    unsafe {
        let source = &mut *image.src;
        if count > source.bytes_in_buffer {
            fill(image);
            return;
        }
        source.next_input_byte = source.next_input_byte.add(count);
        source.bytes_in_buffer -= count;
    }
}

extern "C-unwind" fn resync(image: &mut ffi::jpeg_decompress_struct, desired: c_int) -> ffi::boolean {
    // SAFETY: libjpeg's own function, for its own struct.
    unsafe { ffi::jpeg_resync_to_restart(image, desired) }
}

/// Where the library was built without nasm it decodes x86 blocks one number at a time; [`idct`](super::idct) does eight.
#[cfg(target_arch = "x86_64")]
mod fast {
    use super::super::idct::{Block, inverse_dct};
    use mozjpeg_sys as ffi;
    use std::ffi::c_int;

    type InverseDct = unsafe extern "C-unwind" fn(
        *mut ffi::jpeg_decompress_struct,
        *const ffi::jpeg_component_info,
        *const Block,
        *const *mut [u8; 8],
        ffi::JDIMENSION,
    );
    type Selector = unsafe extern "C-unwind" fn(
        *mut ffi::jpeg_decompress_struct,
        *const ffi::jpeg_component_info,
        *mut InverseDct,
        *mut c_int,
    );

    // As `jpeglib.h` and `jdct.h` declare them; `mozjpeg-sys` has the first with other types.
    unsafe extern "C-unwind" {
        fn jpeg_set_idct_method_selector(image: *mut ffi::jpeg_decompress_struct, selector: Selector);
        fn jpeg_idct_islow(
            image: *mut ffi::jpeg_decompress_struct,
            component: *const ffi::jpeg_component_info,
            coefficients: *const Block,
            rows: *const *mut [u8; 8],
            column: ffi::JDIMENSION,
        );
    }

    /// Takes [`block`] in place of the function that it equals, and of no other.
    pub(super) fn install(image: &mut ffi::jpeg_decompress_struct) {
        // SAFETY: libjpeg calls the selector while it prepares to write pixels, with pointers that are good for the call.
        unsafe { jpeg_set_idct_method_selector(image, select) }
    }

    unsafe extern "C-unwind" fn select(
        _: *mut ffi::jpeg_decompress_struct,
        _: *const ffi::jpeg_component_info,
        method: *mut InverseDct,
        _: *mut c_int,
    ) {
        // SAFETY: `method` points to the function that libjpeg chose, a static one.
        unsafe {
            if *method as usize == jpeg_idct_islow as *const () as usize {
                *method = block;
            }
        }
    }

    unsafe extern "C-unwind" fn block(
        _: *mut ffi::jpeg_decompress_struct,
        component: *const ffi::jpeg_component_info,
        coefficients: *const Block,
        rows: *const *mut [u8; 8],
        column: ffi::JDIMENSION,
    ) {
        // SAFETY: as libjpeg calls `jpeg_idct_islow`: 64 coefficients, and 8 rows with 8 bytes each from `column` on. There is no
        // table before the first data of a component came.
        unsafe {
            let table = (*component).quant_table;
            let quantisers = if table.is_null() { &[0; 64] } else { &(*table).quantval };
            let pixels = inverse_dct(&*coefficients, quantisers);
            for (number, pixels) in pixels.iter().enumerate() {
                let row: *mut u8 = (*rows.add(number)).cast();
                row.add(column as usize).copy_from_nonoverlapping(pixels.as_ptr(), pixels.len());
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::{super::Decoder, *};
        use proptest::prelude::*;
        use std::{cell::RefCell, ptr};

        /// A decoder of 8 × 8 grey pixels that has made the tables of libjpeg's function.
        fn started() -> Decoder<'static> {
            let mut bytes = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
            image::GrayImage::new(8, 8).write_with_encoder(encoder).unwrap();
            let decoder = Decoder::new(Vec::leak(bytes)).unwrap();
            // SAFETY: the header is read, and nothing else uses the state.
            let started = unsafe { ffi::jpeg_start_decompress(&mut (*decoder.state).image) };
            assert_eq!(started, 1);
            decoder
        }

        /// What a function makes of coefficients, by the quantisers of the file.
        fn pixels(decoder: &Decoder, method: InverseDct, coefficients: &Block) -> [[u8; 8]; 8] {
            let mut pixels = [[0; 8]; 8];
            let rows = pixels.each_mut().map(ptr::from_mut);
            // SAFETY: the state is started; there are 8 rows of 8 bytes.
            unsafe {
                let image = &raw mut (*decoder.state).image;
                method(image, (*image).comp_info, coefficients, rows.as_ptr(), 0);
            }
            pixels
        }

        thread_local! {
            static DECODER: RefCell<Decoder<'static>> = RefCell::new(started());
        }

        proptest! {
            /// Against `jpeg_idct_islow` itself, bit for bit: sums of 64 coefficients as 8-bit images have them.
            #[test]
            fn blocks_are_those_of_libjpeg(
                mut coefficients in prop::array::uniform32(prop_oneof![3 => Just(0_i16), 2 => -9_i16..10]),
                more in prop::array::uniform32(prop_oneof![9 => Just(0_i16), 1 => -3_i16..4]),
                dc in -60_i16..60,
            ) {
                coefficients[0] = dc;
                let block: Block = bytemuck::cast([coefficients, more]);
                DECODER.with_borrow(|decoder| {
                    prop_assert_eq!(pixels(decoder, super::block, &block), pixels(decoder, jpeg_idct_islow, &block));
                    Ok(())
                })?;
            }
        }
    }
}
