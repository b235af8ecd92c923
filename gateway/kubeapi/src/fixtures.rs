//! Captured messages for tests.

const PROTOBUF: &str = include_str!("fixtures/protobuf.txt");

/// A message that the Go libraries encoded.
pub(crate) fn protobuf(name: &str) -> Vec<u8> {
    let hex = PROTOBUF
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(known, hex)| (known == name).then_some(hex))
        .unwrap_or_else(|| panic!("no fixture {name}"));
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
