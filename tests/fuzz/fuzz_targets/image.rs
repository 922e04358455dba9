#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::allow_caught_panics();
    fuzz::extractor_targets::image(bytes);
});
