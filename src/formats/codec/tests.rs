//! Both directions together, other people's tools, and damage in every place.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use super::compressor::Totals;
use super::*;

const CODECS: [Codec; 3] = [Codec::GZIP, Codec::ZSTD, Codec::None];

/// Reproducible bytes: half of them compress.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(if state & 1 == 0 { b"key:user:" } else { &[0; 0] });
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn compress(codec: Codec, threads: usize, raw: &[u8]) -> (Vec<Vec<u8>>, Totals) {
    let (mut compressor, mut frames) = Compressor::new(codec, threads).unwrap();
    thread::scope(|scope| {
        let made = scope.spawn(move || {
            let mut all = Vec::new();
            while let Some(frame) = frames.next().unwrap() {
                all.push(frame.to_vec());
            }
            all
        });
        for piece in raw.chunks(77_777) {
            compressor.push(piece).unwrap();
        }
        let totals = compressor.finish().unwrap();
        (made.join().unwrap(), totals)
    })
}

/// The decompressed content, and the result: the number of frames, or the error that the reader of the content got.
fn decompress(codec: Codec, threads: usize, stored: &[u8], piece: usize) -> (Vec<u8>, Result<u64, CodecError>) {
    let (mut decompressor, mut content) = Decompressor::from_frame(codec, threads, 0, 0).unwrap();
    thread::scope(|scope| {
        let fed = scope.spawn(move || {
            for piece in stored.chunks(piece) {
                decompressor.push(piece)?;
            }
            decompressor.finish()
        });
        let mut raw = Vec::new();
        let told = loop {
            match content.next() {
                Ok(Some(bytes)) => raw.extend_from_slice(&bytes),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(content);
        let fed = fed.join().unwrap();
        (raw, told.and(fed))
    })
}

/// Runs a program with `input`; `None` where there is no such program.
fn tool(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {arguments:?}: {}", output.status);
    Some(output.stdout)
}

fn skipped(program: &str) {
    std::io::stderr().write_all(format!("skipped: no {program} on this machine\n").as_bytes()).unwrap();
}

#[test]
fn what_was_typed_becomes_a_codec() {
    for (text, codec) in [
        ("gzip", Codec::Gzip(1)),
        ("gzip:9", Codec::Gzip(9)),
        ("zstd", Codec::Zstd(1)),
        ("zstd:19", Codec::Zstd(19)),
        ("none", Codec::None),
    ] {
        assert_eq!(text.parse(), Ok(codec));
        assert_eq!(codec.to_string().parse(), Ok(codec));
    }
    for text in ["", "lz4", "gzip:0", "gzip:10", "gzip:", "zstd:23", "zstd:-1", "none:1", "GZIP"] {
        assert!(text.parse::<Codec>().is_err(), "{text}");
    }
}

#[test]
fn what_goes_in_comes_out_however_it_is_cut() {
    for length in [0, 1, 19, FRAME_INPUT - 1, FRAME_INPUT, FRAME_INPUT + 1, 5 * FRAME_INPUT + 12_345] {
        let raw = sample(length);
        for codec in CODECS {
            for threads in [1, 3] {
                let (frames, totals) = compress(codec, threads, &raw);
                let expected = if codec == Codec::None { 0 } else { length.div_ceil(FRAME_INPUT).max(1) as u64 };
                assert_eq!(totals, Totals { raw_bytes: length as u64, frames: expected });
                let stored = frames.concat();
                for piece in [4096 + 1, usize::MAX] {
                    let (back, ended) = decompress(codec, threads, &stored, piece);
                    assert_eq!(ended, Ok(expected), "{codec} {length}");
                    assert!(back == raw, "{codec} {length}");
                }
            }
        }
    }
}

#[test]
fn byte_by_byte_is_the_same() {
    let raw = sample(3000);
    for codec in CODECS {
        let stored = compress(codec, 1, &raw).0.concat();
        assert_eq!(decompress(codec, 2, &stored, 1).0, raw);
    }
}

#[test]
fn the_files_are_read_by_gzip_and_zstd_and_theirs_by_us() {
    let raw = sample(3 * FRAME_INPUT + 1);
    for (codec, program, levels) in [(Codec::GZIP, "gzip", ["-1", "-9"]), (Codec::ZSTD, "zstd", ["-1", "-12"])] {
        for (length, frames) in [(0, 1), (raw.len(), 4)] {
            let ours = compress(codec, 2, &raw[..length]).0;
            assert_eq!(ours.len(), frames);
            match tool(program, &["-dc"], &ours.concat()) {
                Some(back) => assert!(back == raw[..length], "{program}"),
                None => return skipped(program),
            }
        }
        for level in levels {
            let theirs = tool(program, &["-c", level], &raw).unwrap();
            assert!(codec.name() == Codec::detect(&theirs).name());
            let (back, ended) = decompress(codec, 2, &theirs, 10_000);
            assert_eq!(ended, Ok(1), "one single member");
            assert!(back == raw, "{program} {level}");

            // A file of theirs behind one of ours, as `cat` makes it.
            let both = [ours_then(&raw, codec), theirs.clone(), theirs].concat();
            let (back, ended) = decompress(codec, 2, &both, 333_333);
            assert_eq!(ended, Ok(6));
            assert!(back == raw.repeat(3));
        }
    }
}

fn ours_then(raw: &[u8], codec: Codec) -> Vec<u8> {
    compress(codec, 2, raw).0.concat()
}

#[test]
fn a_gzip_member_with_a_name_and_a_skippable_zstd_frame_are_read() {
    let mut named = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    named.extend_from_slice(b"dump.rdb\0");
    named.extend_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // an empty fixed block, CRC32 and length of nothing
    assert_eq!(decompress(Codec::GZIP, 1, &named, 1), (vec![], Ok(1)));

    let mut skippable = vec![0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0];
    skippable.extend_from_slice(b"12345");
    let frame = compress(Codec::ZSTD, 1, b"content").0.concat();
    let file = [skippable.as_slice(), &frame, &skippable].concat();
    assert_eq!(decompress(Codec::ZSTD, 1, &file, 3), (b"content".to_vec(), Ok(1)));
}

#[test]
fn a_flipped_bit_in_any_frame_is_found_there_and_its_content_is_not_given() {
    let raw = sample(3 * FRAME_INPUT + 5000);
    for codec in [Codec::GZIP, Codec::ZSTD] {
        let frames = compress(codec, 2, &raw).0;
        for (number, frame) in frames.iter().enumerate() {
            let offset: usize = frames[..number].iter().map(Vec::len).sum();
            for at in [frame.len() / 3, frame.len() / 2, frame.len() - 5, frame.len() - 1] {
                let mut stored = frames.concat();
                stored[offset + at] ^= 0x10;
                let (back, ended) = decompress(codec, 2, &stored, 65_536);
                let error = ended.unwrap_err();
                assert_eq!((error.offset, error.code()), (offset as u64, "corrupt"), "{codec} {number} {at} {error}");
                assert!(back == raw[..number * FRAME_INPUT], "nothing of the frame may be given");
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_member_is_said_of_its_data() {
    let member = compress(Codec::GZIP, 1, &sample(3000)).0.concat();
    let mut said = std::collections::BTreeSet::new();
    for at in 20..member.len() - 8 {
        let mut damaged = member.clone();
        damaged[at] ^= 0x10;
        // The last bits of the last byte may mean nothing.
        if let Err(error) = decompress(Codec::GZIP, 1, &damaged, 65_536).1 {
            said.insert(error.kind.to_string());
        }
    }
    assert!(said.iter().any(|words| words.contains("the deflate data is not valid")), "{said:?}");
    assert!(!said.iter().any(|words| words.contains("state") || words.contains("decompression error")), "{said:?}");
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let raw = sample(300);
    for codec in [Codec::GZIP, Codec::ZSTD] {
        let frame = compress(codec, 1, &raw).0.concat();
        let stored = [frame.as_slice(), &frame].concat();
        for length in (0..stored.len()).filter(|length| *length != frame.len()) {
            let (back, ended) = decompress(codec, 1, &stored[..length], 7);
            let error = ended.unwrap_err();
            let begin = if length > frame.len() { frame.len() } else { 0 };
            assert_eq!((error.kind, error.offset), (CodecErrorKind::Truncated, begin as u64), "{codec} {length}");
            assert_eq!(back, if begin > 0 { raw.as_slice() } else { &[] });
        }
        assert_eq!(decompress(codec, 1, &stored[..frame.len()], 7), (raw.clone(), Ok(1)));
    }
}

#[test]
fn a_foreign_member_that_is_cut_or_damaged_is_an_error_at_its_end() {
    let raw = sample(600_000);
    for (codec, program) in [(Codec::GZIP, "gzip"), (Codec::ZSTD, "zstd")] {
        // Without `--no-content-size` unknown to zstd on a pipe, so that it is a stream for us.
        let Some(theirs) = tool(program, &["-c"], &raw) else { return skipped(program) };
        let (_, ended) = decompress(codec, 2, &theirs[..theirs.len() - 1], 10_000);
        assert_eq!(ended.unwrap_err().kind, CodecErrorKind::Truncated);
        let mut damaged = theirs.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(decompress(codec, 2, &damaged, 10_000).1.unwrap_err().code(), "corrupt");
    }
}

#[test]
fn what_follows_the_last_frame_is_named() {
    for codec in [Codec::GZIP, Codec::ZSTD] {
        let frame = compress(codec, 1, b"content").0.concat();
        for garbage in [b"x".as_slice(), b"\0x", b"REDIS0011 and some more bytes than a header has"] {
            let (back, ended) = decompress(codec, 1, &[frame.as_slice(), garbage].concat(), 50);
            assert_eq!(back, b"content");
            assert_eq!(ended, Err(CodecError::new(frame.len() as u64, CodecErrorKind::TrailingGarbage)));
            let error = decompress(codec, 1, garbage, 50).1.unwrap_err();
            assert_eq!((error.code(), error.offset), ("corrupt", 0), "garbage alone is not compressed at all");
        }
    }
}

#[test]
fn zero_bytes_behind_the_last_frame_are_left_out_and_counted() {
    let cases =
        [Codec::GZIP, Codec::ZSTD].into_iter().flat_map(|codec| [1, 19, 20, 21, 5000].map(|padding| (codec, padding)));
    for (codec, padding) in cases {
        let frame = compress(codec, 1, b"content").0.concat();
        for step in [1, 7, 10_000] {
            let stored = [frame.as_slice(), &vec![0; padding]].concat();
            let (mut decompressor, mut content) = Decompressor::from_frame(codec, 1, 0, 0).unwrap();
            stored.chunks(step).for_each(|part| decompressor.push(part).unwrap());
            assert_eq!(decompressor.padding(), padding as u64);
            decompressor.finish().unwrap();
            assert_eq!(&*content.next().unwrap().unwrap(), b"content");
            assert!(content.next().unwrap().is_none());
        }
    }
    // Zero bytes with something behind them are no padding.
    for codec in [Codec::GZIP, Codec::ZSTD] {
        let behind = [&[0; 30][..], b"x"].concat();
        let frame = compress(codec, 1, b"content").0.concat();
        let (_, ended) = decompress(codec, 1, &[frame, behind].concat(), 50);
        assert_eq!(ended.unwrap_err().kind, CodecErrorKind::TrailingGarbage);
    }
}

#[test]
fn a_length_that_lies_is_not_allocated() {
    let mut member = compress(Codec::GZIP, 1, b"content").0.concat();
    let last = member.len() - 1;
    member[last] = 0xff; // "holds 4 GiB"
    assert_eq!(decompress(Codec::GZIP, 1, &member, 50).1.unwrap_err().code(), "corrupt");
    member[16..20].copy_from_slice(&u32::MAX.to_le_bytes()); // "is 4 GiB long"
    assert_eq!(decompress(Codec::GZIP, 1, &member, 50).1.unwrap_err().code(), "corrupt");
}

#[test]
fn a_side_that_goes_away_is_told_to_the_other() {
    let (mut compressor, frames) = Compressor::new(Codec::GZIP, 1).unwrap();
    drop(frames);
    let error = (0..100).find_map(|_| compressor.push(&sample(FRAME_INPUT)).err()).unwrap();
    assert_eq!(error.kind, CodecErrorKind::Stopped);

    let (compressor, mut frames) = Compressor::new(Codec::GZIP, 1).unwrap();
    drop(compressor);
    assert_eq!(frames.next().unwrap_err().kind, CodecErrorKind::Stopped);

    let (decompressor, mut content) = Decompressor::from_frame(Codec::GZIP, 1, 0, 0).unwrap();
    drop(decompressor);
    assert_eq!(content.next().unwrap_err().kind, CodecErrorKind::Stopped);
    assert_eq!(content.next().unwrap_err().kind, CodecErrorKind::Stopped, "and again");
}
