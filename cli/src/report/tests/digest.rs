//! SHA-256 and Base64, for the tests alone.
//!
//! The page needs the digests only as text, so the crate has no use for a library that computes them. Easy to get wrong: this is
//! plain and slow, and nothing that has to be safe may use it.

pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (index, byte)| word | u32::from(*byte) << (16 - 8 * index));
        for index in 0..4 {
            text.push(if index > chunk.len() { '=' } else { char::from(LETTERS[(word >> (18 - 6 * index) & 63) as usize]) });
        }
    }
    text
}

/// FIPS 180-4. The constants are the fractions of the roots of the first primes, computed in integers.
pub(super) fn sha256(message: &[u8]) -> [u8; 32] {
    let primes: Vec<u128> = (2..312_u128).filter(|number| (2..*number).all(|divisor| number % divisor != 0)).collect();
    let fraction = |root: u32, prime: u128| {
        // The largest x with x^root <= prime × 2^(32 × root), whose low 32 bits are the fraction.
        let (mut low, mut high) = (0_u128, 1_u128 << 37);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if middle.pow(root) <= prime << (32 * root) { low = middle } else { high = middle }
        }
        low as u32
    };
    let constants: Vec<u32> = primes[..64].iter().map(|prime| fraction(3, *prime)).collect();
    let mut state: Vec<u32> = primes[..8].iter().map(|prime| fraction(2, *prime)).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64) + if padded.len() % 64 > 56 { 64 } else { 0 } - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut words: Vec<u32> = block.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
        for index in 16..64 {
            let (early, late) = (words[index - 15], words[index - 2]);
            let early = early.rotate_right(7) ^ early.rotate_right(18) ^ early >> 3;
            let late = late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10;
            words.push(words[index - 16].wrapping_add(early).wrapping_add(words[index - 7]).wrapping_add(late));
        }
        let mut round = state.clone();
        for (word, constant) in words.iter().zip(&constants) {
            let (a, e) = (round[0], round[4]);
            let choice = e & round[5] ^ !e & round[6];
            let mixed = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let first = round[7].wrapping_add(mixed).wrapping_add(choice).wrapping_add(*constant).wrapping_add(*word);
            let majority = a & round[1] ^ a & round[2] ^ round[1] & round[2];
            let second = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(majority);
            round[3] = round[3].wrapping_add(first);
            round.rotate_right(1);
            round[0] = first.wrapping_add(second);
        }
        state.iter_mut().zip(round).for_each(|(word, add)| *word = word.wrapping_add(add));
    }
    let mut digest = [0; 32];
    digest.chunks_mut(4).zip(state).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_be_bytes()));
    digest
}

#[test]
fn digest_of_abc_is_that_of_the_standard() {
    assert_eq!(base64(&sha256(b"abc")), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}
