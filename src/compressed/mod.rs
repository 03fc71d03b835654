//! Compressed connections: a stream below the packets and above TLS. Knows neither
//! packets nor sockets.
//!
//! Source: the manual's pages "Compression" and "Compressed Packet". From the end of the log-in on both
//! sides send frames, each with a header and a number of its own. Where packets begin and end has
//! nothing to do with frames. A frame is unpacked as it comes, straight to where the reader wants it:
//! whatever its header announces, it costs the 64 KiB of it that were read last.

mod codec;
mod frame;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use self::codec::{Packer, Unpacker};
use self::frame::{HEADER, Header};
use crate::config::Algorithm;
use crate::error::Error;

/// What is read of a socket at once.
const ROOM: usize = 64 * 1024;

/// The most that is packed into one frame by zlib: all that a header can say, as MySQL does. A packet
/// that needs three frames is too much for mysql-connector-python, when it is in Python alone.
const ZLIB_FRAME: usize = 0xFF_FF_FF;

/// The same for zstd, whose need of memory and time grows with it: hundreds of megabytes for 16 MiB at
/// the level that the client has chosen.
const ZSTD_FRAME: usize = 64 * 1024;

/// A buffer larger than this is given back once it is empty.
const KEEP: usize = 256 * 1024;

/// What is shorter is sent as it is, as MySQL does.
const WORTH_IT: usize = 50;

/// How a connection is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// By what.
    pub algorithm: Algorithm,
    /// How hard it tries.
    pub level: u8,
}

impl Compression {
    /// The level that MySQL has for zlib; the protocol has no place for another.
    pub const ZLIB_LEVEL: u8 = 6;

    /// The hardest that zstd tries.
    pub const MAX_ZSTD_LEVEL: u8 = 22;

    fn longest_frame(self) -> usize {
        match self.algorithm {
            Algorithm::Zlib => ZLIB_FRAME,
            Algorithm::Zstd => ZSTD_FRAME,
        }
    }
}

/// A stream that may become compressed.
pub struct Compressed<S> {
    stream: S,
    /// `None`: nothing is done to the bytes.
    frames: Option<Box<Frames>>,
}

impl<S> Compressed<S> {
    /// A stream as it is.
    pub fn new(stream: S) -> Compressed<S> {
        Compressed { stream, frames: None }
    }

    /// From here on both sides send frames. `ahead` has been read already, and is the beginning of
    /// the other side's first. Everything that was written before has to be flushed.
    pub fn compress(&mut self, how: Compression, ahead: &[u8]) -> io::Result<()> {
        self.frames = Some(Box::new(Frames::new(how, ahead)?));
        Ok(())
    }

    /// Whether it has become compressed.
    pub fn is_compressed(&self) -> bool {
        self.frames.is_some()
    }

    /// A command is awaited: numbers begin again, unless it has come with the one before.
    pub fn begin_command(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.number = frames.newest.wrapping_add(1);
            frames.anew = true;
        }
    }

    /// A file is awaited; some send their next command in its place.
    pub fn begin_file(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.anew = true;
        }
    }

    /// The number of the next frame, of whichever side.
    pub fn next_number(&self) -> Option<u8> {
        self.frames.as_ref().map(|frames| frames.number)
    }

    /// Why nothing more can be read, if frames are the reason. Told once.
    pub fn take_fault(&mut self) -> Option<Error> {
        self.frames.as_mut()?.fault.take()
    }

    /// What is below.
    pub fn inner(&self) -> &S {
        &self.stream
    }

    /// What is below. Who reads or writes there loses his place among the frames.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

/// Both directions of a compressed stream.
struct Frames {
    unpacker: Unpacker,
    packer: Packer,
    /// The most that is packed into one frame.
    longest: usize,
    /// Read, and not unpacked yet.
    raw: BytesMut,
    state: State,
    /// The last byte of a packed frame.
    last: [u8; 1],
    /// Packed, and not sent yet.
    out: BytesMut,
    /// The number of the next frame, of whichever side.
    number: u8,
    /// The number of the newest frame that came.
    newest: u8,
    /// The next frame that comes may begin a command, and have the number 0.
    anew: bool,
    fault: Option<Error>,
}

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a header.
    Between,
    /// In bytes that were sent as they are, with so many left.
    Stored(usize),
    /// In packed bytes, with so many left, that become so many.
    Packed { left: usize, becomes: usize },
    /// Behind what was no frame.
    Lost,
}

impl Frames {
    fn new(how: Compression, ahead: &[u8]) -> io::Result<Frames> {
        Ok(Frames {
            unpacker: Unpacker::new(how.algorithm)?,
            packer: Packer::new(how)?,
            longest: how.longest_frame(),
            raw: BytesMut::from(ahead),
            state: State::Between,
            last: [0],
            out: BytesMut::new(),
            number: 0,
            newest: u8::MAX,
            anew: false,
            fault: None,
        })
    }

    /// Unpacks what has come to `to`; 0 if more has to come first.
    fn unpack(&mut self, to: &mut ReadBuf<'_>) -> io::Result<usize> {
        let unpacked = self.try_unpack(to);
        unpacked.map_err(|fault| {
            self.state = State::Lost;
            self.fault = Some(fault);
            io::ErrorKind::InvalidData.into()
        })
    }

    fn try_unpack(&mut self, to: &mut ReadBuf<'_>) -> Result<usize, Error> {
        loop {
            match self.state {
                State::Between => {
                    let Some(header) = Header::of(&self.raw) else { return Ok(0) };
                    self.begin(header)?;
                }
                State::Stored(0) => self.state = State::Between,
                State::Stored(left) => {
                    let bytes = left.min(self.raw.len()).min(to.remaining());
                    to.put_slice(&self.raw.split_to(bytes));
                    self.state = State::Stored(left - bytes);
                    return Ok(bytes);
                }
                State::Packed { left, becomes } => {
                    let starved = self.raw.is_empty() && left > 0;
                    let (bytes, state) = self.unpack_some(left, becomes, to)?;
                    self.state = state;
                    if bytes > 0 || starved {
                        return Ok(bytes);
                    }
                }
                State::Lost => return Err(Error::BadCompression),
            }
        }
    }

    fn begin(&mut self, header: Header) -> Result<(), Error> {
        if header.number != self.number && !(self.anew && header.number == 0) {
            return Err(Error::OutOfOrder);
        }
        self.raw.advance(HEADER);
        self.anew = false;
        self.newest = header.number;
        self.number = header.number.wrapping_add(1);
        self.state = match header.becomes {
            0 => State::Stored(header.length),
            becomes => {
                self.unpacker.begin().map_err(|_| Error::BadCompression)?;
                State::Packed { left: header.length, becomes }
            }
        };
        Ok(())
    }

    /// One step of unpacking: how many bytes have come out, and where that leads. No more comes out
    /// than the header has announced, and neither does less. The last byte waits for the end, where a
    /// checksum stands: no packet that ends with the frame is believed before.
    fn unpack_some(
        &mut self,
        left: usize,
        becomes: usize,
        to: &mut ReadBuf<'_>,
    ) -> Result<(usize, State), Error> {
        let input = self.raw.get(..left.min(self.raw.len())).unwrap_or_default();
        let starved = input.is_empty() && left > 0;
        let mut aside = [0];
        let room = match becomes {
            // A byte too many has to show.
            0 | 1 => &mut aside,
            _ => to.initialize_unfilled_to((becomes - 1).min(to.remaining()).min(ROOM)),
        };
        let step = self.unpacker.step(input, room).map_err(|_| Error::BadCompression)?;
        self.raw.advance(step.taken);
        let left = left - step.taken;
        let Some(rest) = becomes.checked_sub(step.given) else {
            return Err(Error::BadCompression);
        };
        let given = if becomes > 1 { step.given } else { 0 };
        if becomes == 1 && rest == 0 {
            self.last = aside;
        }
        match step.end {
            true if left == 0 && rest == 0 => {
                to.put_slice(&self.last);
                Ok((1, State::Between))
            }
            false if step.given > 0 || step.taken > 0 || starved => {
                to.advance(given);
                Ok((given, State::Packed { left, becomes: rest }))
            }
            // It ends too soon, or not at all.
            true | false => Err(Error::BadCompression),
        }
    }

    /// Adds a frame; how many bytes are in it.
    fn pack(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = bytes.get(..self.longest).unwrap_or(bytes);
        let start = self.out.len();
        self.out.resize(start + HEADER + bytes.len(), 0);
        let room = self.out.get_mut(start + HEADER..).unwrap_or_default();
        let packed = match room.split_last_mut() {
            // What has not become shorter is sent as it is.
            Some((_, shorter)) if bytes.len() >= WORTH_IT => self.packer.pack(bytes, shorter)?,
            Some(_) | None => None,
        };
        if packed.is_none() {
            room.copy_from_slice(bytes);
        }
        let length = packed.unwrap_or(bytes.len());
        let becomes = if packed.is_some() { bytes.len() } else { 0 };
        let header = Header { length, number: self.number, becomes };
        self.number = self.number.wrapping_add(1);
        if let Some(place) = self.out.get_mut(start..start + HEADER) {
            place.copy_from_slice(&header.bytes());
        }
        self.out.truncate(start + HEADER + length);
        Ok(bytes.len())
    }

    /// Sends what is packed.
    fn poll_drain(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match ready!(stream.as_mut().poll_write(cx, &self.out))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.out.advance(sent),
            }
        }
        if self.out.capacity() > KEEP {
            self.out = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Compressed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Compressed { stream, frames } = self.get_mut();
        let Some(frames) = frames else { return Pin::new(stream).poll_read(cx, to) };
        while to.remaining() > 0 && frames.unpack(to)? == 0 {
            frames.raw.reserve(ROOM);
            if ready!(poll_read_buf(Pin::new(&mut *stream), cx, &mut frames.raw))? == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Compressed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Compressed { stream, frames } = self.get_mut();
        let mut stream = Pin::new(stream);
        let Some(frames) = frames else { return stream.poll_write(cx, bytes) };
        ready!(frames.poll_drain(stream.as_mut(), cx))?;
        let taken = frames.pack(bytes)?;
        match frames.poll_drain(stream, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The rest goes before whatever comes next.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Compressed { stream, frames } = self.get_mut();
        if let Some(frames) = frames {
            ready!(frames.poll_drain(Pin::new(&mut *stream), cx))?;
        }
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Compressed { stream, frames } = self.get_mut();
        if let Some(frames) = frames {
            ready!(frames.poll_drain(Pin::new(&mut *stream), cx))?;
        }
        Pin::new(stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const ZLIB: Compression =
        Compression { algorithm: Algorithm::Zlib, level: Compression::ZLIB_LEVEL };
    const ZSTD: Compression = Compression { algorithm: Algorithm::Zstd, level: 22 };

    /// Bytes that shrink a little, and not to nothing.
    fn text(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| b'a' + u8::try_from((n * n / 7) % 23).unwrap()).collect()
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(bytes)
        .collect()
    }

    fn frame(number: u8, becomes: usize, packed: &[u8]) -> Vec<u8> {
        let header = Header { length: packed.len(), number, becomes };
        [&header.bytes()[..], packed].concat()
    }

    /// As a client packs it: in one piece, whatever its size.
    fn pack(how: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; bytes.len() + 100];
        let length = Packer::new(how).unwrap().pack(bytes, &mut packed).unwrap().expect("shorter");
        packed.truncate(length);
        packed
    }

    /// What is read of these frames, up to their end or their fault.
    async fn read(how: Compression, frames: &[u8]) -> Result<Vec<u8>, String> {
        let mut stream = Compressed::new(frames);
        stream.compress(how, b"").unwrap();
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes).await {
            Ok(_) => Ok(bytes),
            Err(_) => Err(stream.take_fault().expect("a reason").to_string()),
        }
    }

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        for how in [ZLIB, ZSTD] {
            for bytes in [
                text(49),
                text(50),
                noise(300),
                text(ZSTD_FRAME),
                [text(99), noise(3 * ZSTD_FRAME)].concat(),
            ] {
                let (near, far) = duplex(1000);
                let (mut near, mut far) = (Compressed::new(near), Compressed::new(far));
                near.compress(how, b"").unwrap();
                far.compress(how, b"").unwrap();
                let sent = bytes.clone();
                let writer = async {
                    near.write_all(&sent).await.unwrap();
                    near.shutdown().await.unwrap();
                };
                let mut came = Vec::new();
                let (_, read) = tokio::join!(writer, far.read_to_end(&mut came));
                read.unwrap();
                assert!(came == bytes, "{how:?}, {} bytes", bytes.len());
            }
        }
    }

    #[tokio::test]
    async fn a_frame_may_be_as_long_as_its_header_can_say() {
        let bytes = text(0xFF_FF_FF);
        for how in [ZLIB, ZSTD] {
            let packed = frame(0, bytes.len(), &pack(how, &bytes));
            assert!(read(how, &packed).await == Ok(bytes.clone()));
        }
        let stored = noise(0xFF_FF_FF);
        assert!(read(ZLIB, &frame(0, 0, &stored)).await == Ok(stored));
    }

    #[tokio::test]
    async fn frames_may_come_byte_by_byte_and_empty() {
        for how in [ZLIB, ZSTD] {
            let mut frames = frame(0, 0, b"");
            frames.extend(frame(1, 1000, &pack(how, &text(1000))));
            frames.extend(frame(2, 0, b"end"));
            let (mut near, far) = duplex(1);
            let mut far = Compressed::new(far);
            let (ahead, rest) = frames.split_at(3);
            far.compress(how, ahead).unwrap();
            let writer = async {
                near.write_all(rest).await.unwrap();
                drop(near);
            };
            let mut came = Vec::new();
            let (_, read) = tokio::join!(writer, far.read_to_end(&mut came));
            read.unwrap();
            assert!(came == [text(1000), b"end".to_vec()].concat());
        }
    }

    #[tokio::test]
    async fn a_frame_gives_what_it_announces_and_no_byte_more() {
        const BROKEN: &str = "Couldn't uncompress communication packet";
        for how in [ZLIB, ZSTD] {
            let packed = pack(how, &text(1000));
            let cut = &packed[..packed.len() - 1];
            let long = [&packed[..], b"x"].concat();
            for (becomes, bytes) in [
                (999, &packed[..]),
                (1001, &packed),
                (1000, cut),
                (1000, &long),
                (1, b""),
                (9, b"?"),
            ] {
                // Not even at the end of the stream is less enough.
                let frames = [frame(0, becomes, bytes), frame(1, 0, b"next")].concat();
                assert_eq!(read(how, &frames).await, Err(BROKEN.to_owned()), "{becomes} {how:?}");
            }
        }
        // A bomb: 16 KiB that would become 16 MiB.
        let bomb = pack(ZLIB, &vec![0; 16 << 20]);
        assert_eq!(read(ZLIB, &frame(0, 100, &bomb)).await, Err(BROKEN.to_owned()));
        // And one frame is not believed to be of the other kind.
        assert!(read(ZSTD, &frame(0, 1000, &pack(ZLIB, &text(1000)))).await.is_err());
    }

    #[tokio::test]
    async fn the_last_byte_is_given_once_the_checksum_is_right() {
        let packed = pack(ZLIB, &text(1000));
        for end in 1..packed.len() {
            let mut frames = Frames::new(ZLIB, &frame(0, 1000, &packed)[..HEADER + end]).unwrap();
            let mut room = [0; 2000];
            let mut to = ReadBuf::new(&mut room);
            while frames.unpack(&mut to).unwrap() > 0 {}
            assert!(to.filled().len() < 1000, "{end}");
        }
        let mut wrong = packed.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(read(ZLIB, &frame(0, 1000, &wrong)).await.is_err());
    }

    #[tokio::test]
    async fn numbers_have_to_follow() {
        for numbers in [[1, 2], [0, 0], [0, 2]] {
            let frames = numbers.map(|number| frame(number, 0, b"x")).concat();
            let fault = read(ZLIB, &frames).await;
            assert_eq!(fault, Err("Got packets out of order".to_owned()), "{numbers:?}");
        }
    }

    #[tokio::test]
    async fn answers_go_on_from_the_numbers_of_their_command() {
        let (near, mut far) = duplex(1000);
        let mut near = Compressed::new(near);
        near.compress(ZLIB, b"").unwrap();
        let mut number = [0; HEADER + 1];
        for command in [&b"ab"[..], b"c"] {
            far.write_all(&frame(0, 0, command)).await.unwrap();
            for _ in command {
                // Both commands that came in one frame are answered as if it had been theirs alone.
                near.begin_command();
                assert!(near.read_u8().await.unwrap().is_ascii_lowercase());
                near.write_all(b"!").await.unwrap();
                far.read_exact(&mut number).await.unwrap();
                assert_eq!(number, *b"\x01\0\0\x01\0\0\0!");
            }
        }
        assert_eq!(near.next_number(), Some(2));
    }

    #[test]
    fn an_announcement_costs_nothing() {
        let header = Header { length: 0xFF_FF_FF, number: 0, becomes: 0xFF_FF_FF };
        let mut frames = Frames::new(ZLIB, &header.bytes()).unwrap();
        let mut room = [0; 100];
        assert_eq!(frames.unpack(&mut ReadBuf::new(&mut room)).unwrap(), 0);
        assert!(frames.raw.capacity() < ROOM);
    }
}
