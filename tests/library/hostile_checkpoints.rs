//! Damaged and malicious checkpoints: each is refused in words, without a panic and without much memory.

use proptest::prelude::*;
use recon::models::{Checkpoint, Parameter, Weights};
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// The beginning of an old PyTorch file: magic number, protocol 1001, no facts about the machine.
const HEAD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
/// No storages.
const NO_KEYS: &[u8] = b"\x80\x02].";

/// An old PyTorch file whose object is this pickle.
fn old(pickle: &[u8]) -> Vec<u8> {
    [HEAD, b"\x80\x02", pickle, b".", NO_KEYS].concat()
}

/// A pickle of `{"w": tensor}` over the storage "0" of `count` floats, with this view.
fn tensor_pickle(count: u32, offset: u32, shape: &[u32], strides: &[u32]) -> Vec<u8> {
    let number = |n: u32| [b"J".as_slice(), &n.to_le_bytes()].concat();
    let tuple =
        |ns: &[u32]| [b"(".to_vec(), ns.iter().flat_map(|&n| number(n)).collect(), b"t".to_vec()].concat();
    [
        b"}X\x01\0\0\0w".to_vec(),
        b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec(),
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu".to_vec(),
        number(count),
        b"tQ".to_vec(),
        number(offset),
        tuple(shape),
        tuple(strides),
        b"\x89}tRs".to_vec(),
    ]
    .concat()
}

/// An old PyTorch file with one tensor and its storage, which says that it has `said` numbers.
fn with_tensor(pickle: &[u8], said: u64, values: &[f32]) -> Vec<u8> {
    let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    [HEAD, b"\x80\x02", pickle, b".", b"\x80\x02]X\x01\0\0\x000a.", &said.to_le_bytes(), &numbers].concat()
}

fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// What reading `[4]` numbers called `w` ends with.
fn outcome(bytes: &[u8]) -> Result<(), String> {
    let file = write(bytes);
    let parameters = [Parameter::trainable("w", [4])];
    let read = Checkpoint::open(file.path()).and_then(|c| c.assemble(&parameters, Weights::Raw));
    read.map(drop).map_err(|error| {
        let message = error.to_string();
        let path = file.path().display().to_string();
        assert!(message.starts_with(&path) && message.contains("; "), "{message}");
        assert!(!message.contains('\n'), "{message}");
        message[path.len()..].to_owned()
    })
}

fn refused(bytes: &[u8], because: &str) {
    let message = outcome(bytes).expect_err(because);
    assert!(message.contains(because), "expected {because:?}: {message}");
}

/// Address space that was ever in use, bytes; it grows with what is asked for, touched or not.
fn address_space() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmPeak"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// Runs `work` and holds it to a gigabyte; every lie below is larger by far.
fn frugally(work: impl FnOnce()) {
    let before = address_space();
    work();
    if let Some((before, after)) = before.zip(address_space()) {
        assert!(after - before < 1 << 30, "{} bytes", after - before);
    }
}

#[test]
fn an_honest_old_file_is_read() {
    let good = with_tensor(&tensor_pickle(4, 0, &[4], &[1]), 4, &[1.0; 4]);
    assert_eq!(outcome(&good), Ok(()));
}

#[test]
fn code_is_never_asked_for_nor_run() {
    refused(&old(b"cos\nsystem\nX\x04\0\0\0true\x85R"), "asks for os.system");
    refused(&old(b"\x8c\x08builtins\x8c\x04eval\x93"), "asks for builtins.eval");
    refused(&old(b"c__torch__\nNet\n)\x81"), "asks for __torch__.Net");
    refused(&old(b"(cos\nsystem\nX\x04\0\0\0trueo"), "asks for os.system");
    refused(&old(b"(i__main__\nrun\n"), "instruction 0x69");
    refused(&old(b"\x82\x01"), "instruction 0x82");
}

#[test]
fn broken_pickles_are_refused() {
    for pickle in
        [b"R".as_slice(), b"t", b"0", b"h\x05", b"K\x01s", b"}K\x01a", b"(K\x01d", b"}K\x01\x86R", b"NNR"]
    {
        refused(&old(pickle), "is not a valid pickle");
    }
    refused(&old(b"NNb"), "sets the state");
    refused(&old(b"X\x01\0\0\0\xff"), "not UTF-8");
    refused(&old(b"NQ"), "unknown way");
    refused(&old(b"N"), "no weights");
}

#[test]
fn lengths_that_lie_cost_no_memory() {
    frugally(|| {
        refused(&old(b"X\xff\xff\xff\xff"), "cut short");
        refused(&old(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"), "cut short");
        refused(&old(b"\x8b\xff\xff\xff\xff"), "cut short");
        refused(&[&u64::MAX.to_le_bytes()[..6], b"\0\0{}"].concat(), "announces a table of");
        refused(
            &[&(1_u64 << 32).to_le_bytes(), b"{}".as_slice()].concat(),
            "announces a table of 4294967296",
        );
        refused(b"\xdf\xff\xff\xff\xff\xa1w", "cut short");
        refused(b"\x81\xa1w\xdd\xff\xff\xff\xff", "cut short");
        refused(b"\x81\xa1w\xc9\xff\xff\xff\xff\x01", "cut short");
        refused(b"\x81\xa1w\xc6\xff\xff\xff\xff", "cut short");
    });
}

#[test]
fn shapes_that_lie_cost_no_memory() {
    frugally(|| {
        let big = i32::MAX as u32;
        let views: [(u32, u32, &[u32], &[u32]); 6] = [
            (4, 1, &[4], &[1]),
            (4, big, &[4], &[1]),
            (4, 0, &[big, big], &[big, 1]),
            (4, 0, &[big, big, big, big], &[0, 0, 0, 0]),
            (4, 0, &[2, 2], &[3, 1]),
            (4, 0, &[4], &[1, 1]),
        ];
        for (count, offset, shape, strides) in views {
            let file = with_tensor(&tensor_pickle(count, offset, shape, strides), 4, &[0.0; 4]);
            assert!(outcome(&file).is_err(), "{shape:?}");
        }
        let wide = with_tensor(&tensor_pickle(4, 0, &[big, big], &[0, 0]), 4, &[0.0; 4]);
        refused(&wide, "should have [4]");
        let negative = tensor_pickle(4, u32::MAX, &[4], &[1]);
        refused(&with_tensor(&negative, 4, &[0.0; 4]), "without a storage");
        refused(&with_tensor(&tensor_pickle(big, 0, &[4], &[1]), u64::MAX, &[0.0; 4]), "cut short");
        refused(&with_tensor(&tensor_pickle(big, 0, &[4], &[1]), 4, &[0.0; 4]), "only 4 numbers");
        refused(&with_tensor(&tensor_pickle(4, 0, &[4], &[1]), 4, &[f32::NAN; 4]), "not finite");
    });
}

#[test]
fn deep_and_doubling_values_end() {
    frugally(|| {
        // Lists in lists.
        refused(&old(&[b"]".repeat(200_000), b"a".repeat(199_999)].concat()), "nested too deeply");
        let deep = [b"}X\x05\0\0\0model".to_vec(), b"]".repeat(100), b"a".repeat(99), b"s".to_vec()].concat();
        refused(&old(&deep), "nested too deeply");
        // Each list holds the one before ten times: 10^20 leaves.
        let mut doubling = b"}X\x05\0\0\0modelN\x85q\x000".to_vec();
        for _ in 0..20 {
            doubling.extend(b"(");
            doubling.extend(b"h\0".repeat(10));
            doubling.extend(b"tq\x000");
        }
        doubling.extend(b"h\0s");
        refused(&old(&doubling), "nested too deeply");
        // One long text, made into bytes again and again.
        let text = vec![b'a'; 4 << 20];
        let mut bomb = [b"c_codecs\nencode\nq\0X\0\0\x40\0".to_vec(), text, b"q\x01".to_vec()].concat();
        bomb.extend(b"h\0h\x01\x85R".repeat(1000));
        refused(&old(&bomb), "beside its tensors");
        refused(&old(&b"]".repeat(3 << 20)), "more than");
        refused(&[b"\x81\xa1w".to_vec(), vec![0x91; 100_000], vec![0xc0]].concat(), "nested too deeply");
        refused(&[b"\xdd\x00\x7f\xff\xff".to_vec(), vec![0xc0; 3 << 20]].concat(), "is not a PyTorch");
        refused(&[b"\x81\xa1w\xdd\x00\x7f\xff\xff".to_vec(), vec![0xc0; 3 << 20]].concat(), "more than");
    });
}

/// A zip archive with these entries, stored.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(*name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A zip archive with one entry that is deflated and says that it is `said` bytes.
fn deflated(name: &str, packed: &[u8], said: u32) -> Vec<u8> {
    let common = |crc: u32| {
        let sizes =
            [&crc.to_le_bytes()[..], &(packed.len() as u32).to_le_bytes(), &said.to_le_bytes()].concat();
        let names = [(name.len() as u16).to_le_bytes(), [0; 2]].concat();
        [b"\x14\0\0\0\x08\0\0\0\0\0".to_vec(), sizes, names].concat()
    };
    let local = [b"PK\x03\x04".to_vec(), common(0), name.as_bytes().to_vec(), packed.to_vec()].concat();
    let central = [b"PK\x01\x02\x14\0".to_vec(), common(0), vec![0; 14], name.as_bytes().to_vec()].concat();
    let end = [
        b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec(),
        (central.len() as u32).to_le_bytes().to_vec(),
        (local.len() as u32).to_le_bytes().to_vec(),
        vec![0; 2],
    ];
    [local, central, end.concat()].concat()
}

#[test]
fn archives_that_lie_are_refused() {
    frugally(|| {
        let pickle = [b"\x80\x02".to_vec(), tensor_pickle(4, 0, &[4], &[1]), b".".to_vec()].concat();
        let numbers: Vec<u8> = [1.0_f32; 4].iter().flat_map(|v| v.to_le_bytes()).collect();
        let good = archive(&[("a/data.pkl", &pickle), ("a/data/0", &numbers)]);
        assert_eq!(outcome(&good), Ok(()));
        refused(&archive(&[("a/data.pkl", &pickle), ("a/data/0", &numbers[..12])]), "too few");
        refused(&archive(&[("a/data.pkl", &pickle)]), "lacks the storage a/data/0");
        refused(&archive(&[("notes.txt", b"hello")]), "without data.pkl");
        refused(
            &archive(&[("a/data.pkl", &pickle), ("a/data/0", &numbers), ("a/byteorder", b"big")]),
            "big-endian",
        );
        let at = good.windows(16).position(|bytes| bytes == numbers).unwrap();
        let mut flipped = good.clone();
        flipped[at + 1] ^= 1;
        refused(&flipped, "checksum of storage 0");
        // Ten million zeros deflate to ten thousand bytes; the entry says that they are a pickle.
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b'('; 10 << 20]).unwrap();
        let packed = packer.finish().unwrap();
        refused(&deflated("a/data.pkl", &packed, 10 << 20), "more than");
        refused(&deflated("a/data.pkl", &packed, u32::MAX - 1), "holds a pickle of");
        refused(&deflated("a/data.pkl", b"\x03\0", 100), "cut short");
    });
}

#[test]
fn a_directory_of_many_entries_is_not_read() {
    frugally(|| {
        let names: Vec<String> = (0..60_000).map(|i| format!("{i:0>200}")).collect();
        let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
        refused(&archive(&entries), "directory is too large");
    });
}

#[test]
fn what_is_no_checkpoint_is_said_to_be_none() {
    refused(b"", "is empty");
    refused(b"hello, world", "is not a PyTorch, Flax or safetensors checkpoint");
    refused(b"\x80\x04}.", "bare pickle");
    refused(b"PK\x03\x04", "zip archive");
    let missing = Checkpoint::open(Path::new("no/such/file")).unwrap_err().to_string();
    assert!(missing.contains("no/such/file: cannot be read"), "{missing}");
    let folder = Checkpoint::open(Path::new("/")).unwrap_err().to_string();
    assert!(folder.contains("it is a folder"), "{folder}");
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints");
    fs::read(folder.join(name)).unwrap()
}

fn safetensors() -> Vec<u8> {
    let table = br#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    [&(table.len() as u64).to_le_bytes(), table.as_slice(), &[0; 16]].concat()
}

/// Reads every tensor of a file, by its own shape.
fn read_all(bytes: &[u8]) -> Result<(), String> {
    let file = write(bytes);
    let checkpoint = Checkpoint::open(file.path()).map_err(|e| e.to_string())?;
    let parameters: Vec<Parameter> = checkpoint
        .tensors()
        .map_err(|e| e.to_string())?
        .iter()
        .filter(|(_, tensor)| tensor.shape().iter().product::<usize>() <= 1 << 20)
        .map(|(name, tensor)| {
            let name = name.trim_start_matches("model.").trim_start_matches("module.");
            Parameter::fixed(name, tensor.shape())
        })
        .collect();
    // Whether the names fit is not the question here.
    let _ = checkpoint.assemble(&parameters, Weights::Raw);
    let _ = checkpoint.assemble(&parameters, Weights::Ema);
    Ok(())
}

#[test]
fn no_part_of_a_file_passes_for_the_whole() {
    for (bytes, step) in
        [(fixture("zip.pth"), 7), (fixture("legacy.pth"), 5), (fixture("state.flax"), 97), (safetensors(), 1)]
    {
        assert_eq!(read_all(&bytes), Ok(()));
        for length in (0..bytes.len()).step_by(step) {
            assert!(read_all(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn altered_bytes_never_panic(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = match which {
            0 => fixture("zip.pth"),
            1 => fixture("legacy.pth"),
            2 => fixture("state.flax"),
            _ => safetensors(),
        };
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        frugally(|| drop(read_all(&bytes)));
    }

    #[test]
    fn any_pickle_ends(pickle in prop::collection::vec(any::<u8>(), 0..200)) {
        frugally(|| drop(outcome(&old(&pickle))));
    }
}
