//! Damage, by the number of a mutation alone.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers that code forgets.
const NUMBERS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];

/// Mutation `number` of the seeds.
pub(crate) fn mutated(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let mut bytes = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(1..=4) {
        let other = &seeds[random.random_range(0..seeds.len())];
        once(&mut bytes, other, &mut random);
    }
    bytes
}

fn once(bytes: &mut Vec<u8>, other: &[u8], random: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        bytes.push(random.random());
        return;
    }
    let at = random.random_range(0..bytes.len());
    let length = random.random_range(1..=16.min(bytes.len() - at));
    match random.random_range(0..8) {
        0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 => bytes[at] = random.random(),
        2 => {
            let number = NUMBERS[random.random_range(0..NUMBERS.len())];
            let raw =
                if random.random() { number.to_le_bytes() } else { number.to_be_bytes().map(|byte| byte) };
            let width = [1, 2, 4, 8][random.random_range(0..4)].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&raw[..width]);
        }
        3 => bytes.truncate(at),
        4 => {
            bytes.drain(at..at + length);
        }
        5 => {
            let copy = bytes[at..at + length].to_vec();
            let times = random.random_range(1..=8);
            (0..times).for_each(|_| drop(bytes.splice(at..at, copy.iter().copied())));
        }
        6 => {
            let from = random.random_range(0..other.len());
            let end = (from + random.random_range(1..=64)).min(other.len());
            bytes.splice(at..at, other[from..end].iter().copied());
        }
        _ => {
            let fill: u8 = random.random();
            bytes[at..at + length].fill(fill);
        }
    }
}
