//! Pickles by hand, as Python of several ages writes them.

use super::unpickle;
use crate::models::checkpoint::element::Element;
use crate::models::checkpoint::fault::Outcome;
use crate::models::checkpoint::input::Input;
use crate::models::checkpoint::tree::{Id, Node, Tree};

fn read(pickle: &[u8]) -> (Tree, Outcome<Id>) {
    let mut tree = Tree::default();
    let id = unpickle(&mut Input::new(pickle, 0, pickle.len() as u64), &mut tree);
    (tree, id)
}

/// The one value of a good pickle.
fn value(pickle: &[u8]) -> Node {
    let (tree, id) = read(pickle);
    tree.node(id.unwrap()).clone()
}

#[test]
fn numbers_and_texts_of_every_protocol() {
    assert_eq!(value(b"J\xff\xff\xff\xff."), Node::Integer(-1));
    assert_eq!(value(b"M\x01\x02."), Node::Integer(0x201));
    assert_eq!(value(b"\x8a\x02\x00\xff."), Node::Integer(-256));
    assert_eq!(value(b"\x8b\x01\0\0\0\x7f."), Node::Integer(127));
    assert_eq!(value(b"\x8a\x00."), Node::Integer(0));
    assert_eq!(value(b"G\x3f\xe0\0\0\0\0\0\0."), Node::Number(0.5));
    assert_eq!(value(b"\x80\x04\x95\x05\0\0\0\0\0\0\0\x8c\x02ab\x94."), Node::Text("ab".into()));
    assert_eq!(value(b"U\x01\xe9."), Node::Bytes([0xe9].into()));
    assert_eq!(value(b"C\x02\x01\x02."), Node::Bytes([1, 2].into()));
}

#[test]
fn dictionaries_grow_after_they_were_remembered() {
    let (tree, id) = read(b"}q\0(K\x01K\x02K\x03K\x04uh\0\x86.");
    let pair = tree.list(id.unwrap()).unwrap().to_vec();
    assert_eq!(pair[0], pair[1]);
    assert!(matches!(tree.node(pair[0]), Node::Dict(pairs) if pairs.len() == 2));
}

#[test]
fn dictionaries_with_a_default_or_an_order_are_dictionaries() {
    for pickle in [
        b"ccollections\nOrderedDict\n)R.".as_slice(),
        b"ccollections\nOrderedDict\n]](K\x01K\x02ea\x85R.",
        b"ccollections\ndefaultdict\nc__builtin__\ndict\n\x85R.",
        b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R}X\x09\0\0\0_metadataNsb.",
    ] {
        assert!(matches!(value(pickle), Node::Dict(_)), "{pickle:?}");
    }
}

#[test]
fn a_scalar_of_numpy_is_a_number() {
    // numpy.core.multiarray.scalar(numpy.dtype("f8", False, True), _codecs.encode(text, "latin1"))
    let pickle = [
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\0\0\0f8\x89\x88\x87R".as_slice(),
        b"(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb",
        b"c_codecs\nencode\nX\x09\0\0\0\0\0\0\0\0\0\xc3\xa0?X\x06\0\0\0latin1\x86R\x86R.",
    ]
    .concat();
    assert_eq!(value(&pickle), Node::Number(0.5));
    let big_endian = pickle.iter().map(|&b| if b == b'<' { b'>' } else { b }).collect::<Vec<_>>();
    assert!(read(&big_endian).1.unwrap_err().0.contains("big-endian"));
}

#[test]
fn an_array_of_numpy_is_a_tensor_in_either_order() {
    let pickle = |fortran: &[u8]| {
        [
            b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R".as_slice(),
            b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nX\x02\0\0\0u1\x89\x88\x87R",
            fortran,
            b"C\x06\0\x01\x02\x03\x04\x05tb.",
        ]
        .concat()
    };
    for (fortran, strides) in [(b"\x89", [3, 1]), (b"\x88", [1, 2])] {
        let Node::Tensor(tensor) = value(&pickle(fortran)) else { panic!("no tensor") };
        assert_eq!((tensor.element(), tensor.shape()), (Element::U8, &[2, 3][..]));
        assert_eq!(tensor.strides(), strides);
    }
}

#[test]
fn a_view_of_an_old_storage_begins_within_it() {
    let pickle = b"(X\x07\0\0\0storagectorch.cuda\nHalfStorage\nX\x01\0\0\x007X\x03\0\0\0cpuK\x09\
        X\x01\0\0\x008K\x02K\x04\x87tQ.";
    let (tree, id) = read(pickle);
    assert_eq!(tree.node(id.unwrap()), &Node::Storage(0));
    let storage = &tree.storages[0];
    assert_eq!((storage.key.as_str(), storage.element), ("7", Element::F16));
    assert_eq!((storage.first, storage.count), (2, 4));
}

#[test]
fn a_parameter_is_its_tensor() {
    let pickle = b"ctorch._utils\n_rebuild_parameter\nctorch._utils\n_rebuild_tensor\n(\
        (X\x07\0\0\0storagectorch\nBFloat16Storage\nX\x01\0\0\x000NK\x06tQK\x02K\x02K\x02\x86K\x02K\x01\x86tR\
        \x88ccollections\nOrderedDict\n)R\x87R.";
    let Node::Tensor(tensor) = value(pickle) else { panic!("no tensor") };
    assert_eq!((tensor.element(), tensor.shape(), tensor.offset), (Element::BF16, &[2, 2][..], 2));
}
