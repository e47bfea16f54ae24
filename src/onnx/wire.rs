//! Protocol buffers, as much of them as an ONNX file needs: numbers, bytes and messages in messages.
//! See <https://protobuf.dev/programming-guides/encoding/>.

/// The fields of one message, encoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

/// How the value of a field is encoded.
const VARINT: u64 = 0;
const LENGTH: u64 = 2;

impl Message {
    /// Adds a number to field `field`.
    pub(super) fn int(&mut self, field: u64, value: i64) -> &mut Self {
        self.varint(field << 3 | VARINT);
        // Negative numbers are those of two's complement in 64 bits.
        self.varint(value as u64);
        self
    }

    /// Adds a text or bytes to field `field`.
    pub(super) fn bytes(&mut self, field: u64, value: impl AsRef<[u8]>) -> &mut Self {
        self.header(field, value.as_ref().len());
        self.bytes.extend_from_slice(value.as_ref());
        self
    }

    /// Adds f32 values, little-endian, as bytes to field `field`.
    pub(super) fn floats(&mut self, field: u64, values: &[f32]) -> &mut Self {
        self.header(field, values.len() * 4);
        self.bytes.reserve(values.len() * 4);
        values.iter().for_each(|v| self.bytes.extend_from_slice(&v.to_le_bytes()));
        self
    }

    /// Adds a message to field `field`.
    pub(super) fn message(&mut self, field: u64, value: &Message) -> &mut Self {
        self.bytes(field, &value.bytes)
    }

    /// Adds all fields of `other`.
    pub(super) fn append(&mut self, other: &Message) -> &mut Self {
        self.bytes.extend_from_slice(&other.bytes);
        self
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole message.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn header(&mut self, field: u64, len: usize) {
        self.varint(field << 3 | LENGTH);
        self.varint(len as u64);
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_specification_shows_it() {
        let mut inner = Message::default();
        inner.int(1, 150);
        let mut outer = Message::default();
        outer.bytes(2, "testing").message(3, &inner).int(1, -2).floats(4, &[1.0]);
        let expected = [
            &[0x12, 0x07][..],
            b"testing",
            &[0x1a, 0x03, 0x08, 0x96, 0x01],
            &[0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x22, 0x04, 0x00, 0x00, 0x80, 0x3f],
        ];
        assert_eq!(outer.into_bytes(), expected.concat());
    }
}
