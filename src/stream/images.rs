//! A folder of PNG files, read as one IDX array of bytes: what reads arrays then reads it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::input::printable;
use super::items::image_text;
use crate::blocks::room;

/// Images that are no png but would be missed.
const OTHERS: [&str; 9] = ["jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff", "ppm", "pgm"];

/// The bytes of an IDX file of shape (N, H, W, C) with the images of a folder, sorted by name. They are decoded
/// one by one, as they are read.
pub(super) struct Folder {
    files: std::vec::IntoIter<PathBuf>,
    /// Of every image: height, width, channels.
    shape: [usize; 3],
    /// For messages.
    first: PathBuf,
    bytes: Vec<u8>,
    taken: usize,
}

impl Folder {
    /// # Errors
    /// No png in it; images of other kinds, which would be left out; a first one that cannot be read.
    pub(super) fn open(directory: &Path) -> Result<Folder> {
        let mut files = Vec::new();
        let cannot_read = |e| anyhow!("cannot read this directory: {e}");
        for entry in fs::read_dir(directory).map_err(cannot_read)? {
            let path = entry.map_err(cannot_read)?.path();
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            ensure!(
                hidden || !OTHERS.contains(&&*ending),
                "holds {}, which is no png; of a folder png files alone are read: convert it, or take it away",
                name_of(&path)
            );
            if ending == "png" && !hidden {
                files.push(path);
            }
        }
        files.sort();
        let Some(first) = files.first().cloned() else {
            bail!("is a directory without png files; name a file in it");
        };
        let count = u32::try_from(files.len()).context("holds too many images")?;
        let image = Image::read(&first)?;
        let mut bytes = vec![0, 0, 8, 4];
        for length in [count as usize, image.shape[0], image.shape[1], image.shape[2]] {
            bytes.extend((length as u32).to_be_bytes());
        }
        bytes.extend(image.bytes);
        let mut files = files.into_iter();
        files.next();
        Ok(Folder { files, shape: image.shape, first, bytes, taken: 0 })
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.files.next() else { return Ok(None) };
        let image = Image::read(&file)?;
        ensure!(
            image.shape == self.shape,
            "{} is {}, but {} is {}; give images of one size and kind",
            name_of(&file),
            image_text(&image.shape),
            name_of(&self.first),
            image_text(&self.shape)
        );
        Ok(Some(image.bytes))
    }
}

impl Read for Folder {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.bytes.len() {
            let Some(bytes) = self.next().map_err(io::Error::other)? else { return Ok(0) };
            (self.bytes, self.taken) = (bytes, 0);
        }
        let part = &self.bytes[self.taken..];
        let n = part.len().min(buf.len());
        buf[..n].copy_from_slice(&part[..n]);
        self.taken += n;
        Ok(n)
    }
}

struct Image {
    shape: [usize; 3],
    /// Channels together, pixel after pixel, row after row.
    bytes: Vec<u8>,
}

impl Image {
    /// Grey or colours, of 8 bits: fewer and palettes are spread out, 16 are rounded.
    fn read(file: &Path) -> Result<Image> {
        let reader = File::open(file).map_err(|e| anyhow!("{}: cannot open: {e}", name_of(file)))?;
        let length = reader.metadata().map_err(|e| anyhow!("{}: cannot read: {e}", name_of(file)))?.len();
        decode(BufReader::new(reader), length).map_err(|e| anyhow!("{}: {e}", name_of(file)))
    }
}

/// Bytes that one compressed byte stands for at most (RFC 1951: 258 for the two bits of a repetition and its
/// distance).
const DEFLATED: u128 = 1032;

fn decode(reader: BufReader<File>, length: u64) -> Result<Image> {
    let damaged = |e: png::DecodingError| anyhow!("damaged png: {e}");
    let mut decoder = png::Decoder::new(reader);
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(damaged)?;
    ensure!(
        reader.info().animation_control.is_none(),
        "is an animation; give its frames as images of their own"
    );
    // What a file of a few bytes claims is not taken before it is seen to be possible.
    let info = reader.info();
    ensure!(
        info.raw_row_length() as u128 * u128::from(info.height) <= u128::from(length) * DEFLATED,
        "damaged png: it claims {}×{} pixels, more than {length} bytes can hold",
        info.height,
        info.width
    );
    let size = reader.output_buffer_size().context("is larger than any memory")?;
    room(&[size.div_ceil(size_of::<f64>())], "its pixels")?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(damaged)?;
    bytes.truncate(frame.buffer_size());
    if frame.bit_depth == png::BitDepth::Sixteen {
        let (pairs, _) = bytes.as_chunks::<2>();
        // 65535 is 257 times 255.
        bytes = pairs.iter().map(|&pair| ((u32::from(u16::from_be_bytes(pair)) + 128) / 257) as u8).collect();
    }
    let channels = match frame.color_type {
        png::ColorType::Grayscale => 1,
        png::ColorType::Rgb => 3,
        png::ColorType::GrayscaleAlpha => {
            bytes = opaque(&bytes, 1)?;
            1
        }
        png::ColorType::Rgba => {
            bytes = opaque(&bytes, 3)?;
            3
        }
        png::ColorType::Indexed => bail!("damaged png: its palette is missing"),
    };
    Ok(Image { shape: [frame.height as usize, frame.width as usize, channels], bytes })
}

/// The colours alone, where no pixel lets anything through.
fn opaque(bytes: &[u8], channels: usize) -> Result<Vec<u8>> {
    let pixels = || bytes.chunks_exact(channels + 1);
    ensure!(
        pixels().all(|pixel| pixel[channels] == u8::MAX),
        "has transparent pixels, whose colour depends on what is behind; put it on a background first"
    );
    Ok(pixels().flat_map(|pixel| &pixel[..channels]).copied().collect())
}

fn name_of(file: &Path) -> String {
    printable(Path::new(file.file_name().unwrap_or(file.as_os_str())))
}
