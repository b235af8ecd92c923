#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway_masking::fuzzing::mask_kernels(input));
