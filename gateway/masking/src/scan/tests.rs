use proptest::prelude::*;

use super::*;

fn check(block: &[u8; BLOCK]) {
    let specified = reference::looks(block);
    for kernel in Kernel::available() {
        let looks = kernel.looks(block);
        assert!(looks.agrees(specified), "{}: {looks:?}", kernel.name());
    }
}

#[test]
fn every_kernel_classifies_every_byte_at_every_place_as_the_specification_does() {
    // Interpreted, every one would take hours.
    let step = if cfg!(miri) { 29 } else { 1 };
    for byte in (0..=u8::MAX).step_by(step) {
        for filler in [b'a', 0, 0xFF, b'"', b' '] {
            for place in (0..BLOCK).step_by(step) {
                let mut block = [filler; BLOCK];
                block[place] = byte;
                check(&block);
            }
        }
    }
}

fn names() -> Vec<&'static str> {
    let kernels = Kernel::available().into_iter();
    kernels.map(Kernel::name).collect()
}

#[test]
fn names_are_distinct_and_the_portable_kernel_is_always_there() {
    let names = names();
    assert_eq!(names.last(), Some(&"swar"));
    assert_eq!(Some(&Kernel::best().name()), names.first());
    assert_eq!(Kernel::portable().name(), "swar");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn every_kernel_is_there_that_the_machine_can_run() {
    let names = names();
    let base = is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("pclmulqdq");
    let bits = base
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt");
    for (name, runs) in [
        ("sse42", base && is_x86_feature_detected!("sse4.2")),
        ("avx2", bits && is_x86_feature_detected!("avx2")),
        (
            "avx512",
            bits && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl"),
        ),
    ] {
        assert_eq!(names.contains(&name), runs, "{name}");
    }
}

#[test]
fn only_the_fastest_kernels_move_bits_together() {
    for kernel in Kernel::available() {
        let looks =
            kernel.looks(b"{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]{}[]");
        let has = looks.compressed.is_some();
        assert_eq!(looks.expanded.is_some(), has);
        match kernel.name() {
            "avx512" => assert!(has),
            "avx2" => {}
            _ => assert!(!has),
        }
    }
}

static BRACKETS: [[u8; 2]; 6] = [*b"{a", *b"a}", *b"[!", *b"[]", *b"\t]", *b"}{"];

proptest! {
    #[test]
    fn every_kernel_moves_bits_as_the_specification_does(
        block in proptest::array::uniform32(proptest::sample::select(
            BRACKETS.as_slice(),
        )),
    ) {
        check(block.as_flattened().try_into().unwrap());
    }

    #[test]
    fn every_kernel_equals_the_specification(block in proptest::array::uniform32(any::<[u8; 2]>())) {
        let bytes: Vec<u8> = block.concat();
        check(bytes.as_slice().try_into().unwrap());
    }

    #[test]
    fn prefix_sums_are_equal(bits: u64) {
        prop_assert_eq!(swar::Swar.prefix_xor(bits), reference::prefix_xor(bits));
    }
}
