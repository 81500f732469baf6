//! The first words of a Java object stream: enough to show a string, or the class of anything else.
//! Nothing is instantiated.

/// Magic and version of every stream.
const HEADER: [u8; 4] = [0xac, 0xed, 0x00, 0x05];
const STRING: u8 = 0x74;
const LONG_STRING: u8 = 0x7c;
const OBJECT: u8 = 0x73;
const ARRAY: u8 = 0x75;
const CLASS_DESCRIPTION: u8 = 0x72;

/// What a stream begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JavaStream {
    /// A string, and nothing after it.
    Text(String),
    /// An object or array of this class.
    Class(String),
    /// A stream of something else.
    Other,
}

impl JavaStream {
    /// Reads the beginning; `None` for what is no stream.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&HEADER)?;
        Some(Self::content(rest).unwrap_or(Self::Other))
    }

    /// A stream that holds a string; `None` if it is too long for one.
    pub(super) fn of_text(text: &str) -> Option<Vec<u8>> {
        let encoded = modified_utf8(text);
        let mut bytes = HEADER.to_vec();
        match u16::try_from(encoded.len()) {
            Ok(length) => {
                bytes.push(STRING);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(LONG_STRING);
                let length = u64::try_from(encoded.len()).ok()?;
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        bytes.extend_from_slice(&encoded);
        Some(bytes)
    }

    fn content(rest: &[u8]) -> Option<Self> {
        let (kind, rest) = rest.split_first()?;
        match *kind {
            STRING => {
                let (length, text) = rest.split_first_chunk::<2>()?;
                whole_text(usize::from(u16::from_be_bytes(*length)), text)
            }
            LONG_STRING => {
                let (length, text) = rest.split_first_chunk::<8>()?;
                whole_text(usize::try_from(u64::from_be_bytes(*length)).ok()?, text)
            }
            OBJECT | ARRAY => {
                let rest = rest.strip_prefix(&[CLASS_DESCRIPTION])?;
                let (length, rest) = rest.split_first_chunk::<2>()?;
                let name = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
                Some(Self::Class(String::from_utf8(name.to_vec()).ok()?))
            }
            _ => None,
        }
    }
}

fn whole_text(length: usize, bytes: &[u8]) -> Option<JavaStream> {
    if bytes.len() != length {
        return None;
    }
    Some(JavaStream::Text(from_modified_utf8(bytes)?))
}

/// Java writes NUL in two bytes and everything beyond the basic plane as two surrogates of three.
fn modified_utf8(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        match unit {
            1..=0x7f => bytes.push(low),
            0 | 0x80..=0x7ff => {
                bytes.extend_from_slice(&[0xc0 | (high << 2) | (low >> 6), 0x80 | (low & 0x3f)]);
            }
            0x800.. => bytes.extend_from_slice(&[
                0xe0 | (high >> 4),
                0x80 | ((high & 0x0f) << 2) | (low >> 6),
                0x80 | (low & 0x3f),
            ]),
        }
    }
    bytes
}

fn from_modified_utf8(bytes: &[u8]) -> Option<String> {
    let tail = |byte: u8| (byte & 0xc0 == 0x80).then_some(u16::from(byte & 0x3f));
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(first) = rest.next() {
        let unit = match first {
            0x00..=0x7f => u16::from(first),
            0xc0..=0xdf => (u16::from(first & 0x1f) << 6) | tail(rest.next()?)?,
            0xe0..=0xef => {
                let (second, third) = (tail(rest.next()?)?, tail(rest.next()?)?);
                (u16::from(first & 0x0f) << 12) | (second << 6) | third
            }
            0x80..=0xbf | 0xf0..=0xff => return None,
        };
        units.push(unit);
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        let long = "x".repeat(70_000);
        for text in ["", "{\"a\":1}", "h\u{e9}\u{20ac}\u{1f600}", "a\0b", long.as_str()] {
            let bytes = JavaStream::of_text(text).unwrap();
            assert_eq!(JavaStream::read(&bytes), Some(JavaStream::Text(text.to_owned())));
        }
        let bytes = JavaStream::of_text("a\0\u{1f600}").unwrap();
        let expected = b"\xac\xed\0\x05\x74\0\x09a\xc0\x80\xed\xa0\xbd\xed\xb8\x80";
        assert_eq!(bytes, expected, "as java.io.ObjectOutputStream writes it");
    }

    #[test]
    fn an_object_shows_its_class_and_everything_else_nothing() {
        let object = b"\xac\xed\0\x05sr\0\x07Tiger\x01\x02\x49";
        assert_eq!(JavaStream::read(object), Some(JavaStream::Class("Tiger\x01\x02".to_owned())));
        for cut in 4..object.len() - 1 {
            let begun = JavaStream::read(&object[..cut]);
            assert_eq!(begun, Some(JavaStream::Other), "cut at {cut}");
        }
        assert_eq!(JavaStream::read(b"\xac\xed\0\x05t\0\x01ab"), Some(JavaStream::Other));
        assert_eq!(JavaStream::read(b"\xac\xed\0"), None);
    }
}
