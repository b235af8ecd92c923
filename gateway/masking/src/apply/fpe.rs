//! Format-preserving encryption: FF1 of NIST SP 800-38G over the decimal digits of a text.

#![forbid(unsafe_code)]

use aes::Block;
use aes::cipher::{BlockCipher, BlockEncrypt, generic_array::typenum::U16};

/// The least domain is 10^6: fewer digits could be tried through.
const DIGITS_MIN: usize = 6;
/// BOUND: half of the digits fill a 128-bit number with eight bits to spare; more digits redact.
const DIGITS_MAX: usize = 72;
const ROUNDS: u8 = 10;

/// Encrypts the digits in their places. `None` if there are too few or too many.
pub(super) fn encrypt_digits<C>(cipher: &C, text: &[u8]) -> Option<Vec<u8>>
where
    C: BlockCipher + BlockEncrypt + aes::cipher::BlockSizeUser<BlockSize = U16>,
{
    let digits: Vec<u8> = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| byte - b'0')
        .collect();
    if !(DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
        return None;
    }
    let mut encrypted = encrypt(cipher, &[], &digits)?.into_iter();
    text.iter()
        .map(|byte| {
            if byte.is_ascii_digit() {
                Some(encrypted.next()? + b'0')
            } else {
                Some(*byte)
            }
        })
        .collect()
}

fn power(exponent: usize) -> u128 {
    (0..exponent).fold(1, |power: u128, _| power.saturating_mul(10))
}

fn number(digits: &[u8]) -> u128 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u128::from(*digit))
}

/// FF1.Encrypt with radix 10; the names are those of the standard.
fn encrypt<C>(cipher: &C, tweak: &[u8], digits: &[u8]) -> Option<Vec<u8>>
where
    C: BlockCipher + BlockEncrypt + aes::cipher::BlockSizeUser<BlockSize = U16>,
{
    let n = digits.len();
    let u = n / 2;
    let v = n - u;
    let (left, right) = digits.split_at_checked(u)?;
    let (mut a, mut b) = (number(left), number(right));
    let bits = usize::try_from(u128::BITS - (power(v) - 1).leading_zeros()).ok()?;
    let width = bits.div_ceil(8);
    let d = 4 * width.div_ceil(4) + 4;
    let mut p = vec![1, 2, 1, 0, 0, 10, ROUNDS, u8::try_from(u % 256).ok()?];
    p.extend(u32::try_from(n).ok()?.to_be_bytes());
    p.extend(u32::try_from(tweak.len()).ok()?.to_be_bytes());
    let padding = (16 - (tweak.len() + width + 1) % 16) % 16;
    for round in 0..ROUNDS {
        let mut message = p.clone();
        message.extend_from_slice(tweak);
        message.extend(std::iter::repeat_n(0, padding));
        message.push(round);
        message.extend_from_slice(b.to_be_bytes().get(16 - width..)?);
        let modulus = power(if round % 2 == 0 { u } else { v });
        let y = keystream(cipher, &message, d)
            .iter()
            .fold(0, |y: u128, byte| (y * 256 + u128::from(*byte)) % modulus);
        let c = (a + y) % modulus;
        (a, b) = (b, c);
    }
    let mut out = Vec::with_capacity(n);
    write_digits(a, u, &mut out);
    write_digits(b, v, &mut out);
    Some(out)
}

fn write_digits(number: u128, count: usize, out: &mut Vec<u8>) {
    for place in (0..count).rev() {
        out.push(u8::try_from(number / power(place) % 10).unwrap_or_default());
    }
}

/// The first `length` bytes of the stream that the message's CBC-MAC begins.
fn keystream<C>(cipher: &C, message: &[u8], length: usize) -> Vec<u8>
where
    C: BlockCipher + BlockEncrypt + aes::cipher::BlockSizeUser<BlockSize = U16>,
{
    let mut mac = Block::default();
    for chunk in message.chunks(16) {
        for (to, from) in mac.iter_mut().zip(chunk) {
            *to ^= *from;
        }
        cipher.encrypt_block(&mut mac);
    }
    let mut stream = mac.to_vec();
    for counter in 1_u128.. {
        if stream.len() >= length {
            break;
        }
        let mut block = mac;
        for (to, from) in block.iter_mut().zip(counter.to_be_bytes()) {
            *to ^= from;
        }
        cipher.encrypt_block(&mut block);
        stream.extend_from_slice(&block);
    }
    stream.truncate(length);
    stream
}

#[cfg(test)]
mod tests {
    use aes::cipher::KeyInit as _;

    use super::*;

    const KEY: [u8; 32] = [
        0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F,
        0x3C, 0xEF, 0x43, 0x59, 0xD8, 0xD5, 0x80, 0xAA, 0x4F, 0x7F, 0x03, 0x6D, 0x6F, 0x04, 0xFC,
        0x6A, 0x94,
    ];

    /// The samples of radix 10 that NIST published with SP 800-38G.
    #[test]
    fn equals_the_samples_of_nist() {
        let short = aes::Aes128::new_from_slice(&KEY[..16]).unwrap();
        let long = aes::Aes256::new_from_slice(&KEY).unwrap();
        let digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let tweak = b"9876543210";
        let shown = |digits: Option<Vec<u8>>| -> String {
            digits
                .unwrap()
                .iter()
                .map(|digit| char::from(digit + b'0'))
                .collect()
        };
        assert_eq!(shown(encrypt(&short, b"", &digits)), "2433477484");
        assert_eq!(shown(encrypt(&short, tweak, &digits)), "6124200773");
        assert_eq!(shown(encrypt(&long, b"", &digits)), "6657667009");
        assert_eq!(shown(encrypt(&long, tweak, &digits)), "1001623463");
    }

    /// By another implementation, which was written from the standard and gives its samples too.
    #[test]
    fn equals_another_implementation_where_the_samples_do_not_reach() {
        let cipher = aes::Aes256::new_from_slice(&KEY).unwrap();
        for expected in [
            "7332360",
            "6657667009",
            "8147693688598705117",
            "1898063025653945434331250850274566861740",
            "729583144191276125328394012832709595617197161809233040024533539577716818",
        ] {
            let text: Vec<u8> = (b'0'..=b'9').cycle().take(expected.len()).collect();
            assert_eq!(encrypt_digits(&cipher, &text).unwrap(), expected.as_bytes());
        }
    }

    #[test]
    fn digits_stay_in_their_places_and_small_domains_are_refused() {
        let cipher = aes::Aes256::new_from_slice(&KEY).unwrap();
        let text = "+49 (30) 1234-567 é";
        let got = String::from_utf8(encrypt_digits(&cipher, text.as_bytes()).unwrap()).unwrap();
        assert_ne!(got, text);
        let shape = |text: &str| text.replace(|found: char| found.is_ascii_digit(), "0");
        assert_eq!(shape(&got), shape(text));
        assert_eq!(encrypt_digits(&cipher, b"12345"), None);
        assert_eq!(encrypt_digits(&cipher, &[b'1'; 73]), None);
        assert!(encrypt_digits(&cipher, &[b'9'; 72]).is_some());
    }
}
