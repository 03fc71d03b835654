#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    stagewire_fuzz::feed(stagewire::fuzzing::packets, input, 64);
});
