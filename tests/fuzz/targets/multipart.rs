#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    stagewire_fuzz::feed(stagewire::fuzzing::multipart, input, 64);
});
