//! The few fields of IPv4 and TCP that the router needs.
//!
//! Written here for its size: addresses to route by, a bit to flip, and a segment that ends a
//! connection. Bytes are those of a TUN device, so they begin with the IP header.

/// Without options, as in every packet made here.
const IP_HEADER_BYTES: usize = 20;
const TCP_HEADER_BYTES: usize = 20;
const UDP_HEADER_BYTES: usize = 8;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A packet that ends a connection.
pub(super) type Reset = [u8; IP_HEADER_BYTES + TCP_HEADER_BYTES];

/// What ends the connection of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resets {
    /// As if from the receiver.
    pub(super) to_sender: Reset,
    /// As if from the sender; none for the first segment, of which the receiver knows nothing.
    pub(super) to_receiver: Option<Reset>,
}

/// Source and destination, in host order; nothing for what is not to be routed: other versions,
/// broken headers, and what hosts tell multicast routers.
pub(super) fn addresses(packet: &[u8]) -> Option<(u32, u32)> {
    payload(packet)?;
    (packet[9] != IGMP).then(|| (word(packet, 12), word(packet, 16)))
}

/// Flips one bit, counted around the data that the packet carries, or around the headers inside it
/// where it carries none. Doing it again mends the packet.
pub(super) fn flip_bit(packet: &mut [u8], bit: u32) {
    let Some((begin, data)) = payload(packet) else { return };
    let inner_header_bytes = match packet[9] {
        TCP if is_first_fragment(packet) => tcp_header_bytes(data).unwrap_or(0),
        UDP if is_first_fragment(packet) => UDP_HEADER_BYTES,
        _ => 0,
    };
    let end = begin + data.len();
    let begin = if inner_header_bytes < data.len() { begin + inner_header_bytes } else { begin };
    let bits = (end - begin) * 8;
    if bits > 0 {
        let bit = bit as usize % bits;
        packet[begin + bit / 8] ^= 1 << (bit % 8);
    }
}

/// What ends the connection of this segment; nothing if it is none, or ends it already.
///
/// The receiver of a reset believes it only with the very sequence number that it waits for
/// (RFC 5961): to the sender that is the one it acknowledges, to the receiver the one of this
/// segment, unless something sent earlier is still under way; then the next segment tells.
pub(super) fn resets(packet: &[u8]) -> Option<Resets> {
    let (_, segment) = payload(packet)?;
    if packet[9] != TCP || !is_first_fragment(packet) {
        return None;
    }
    let header_bytes = tcp_header_bytes(segment)?;
    let (sequence, acknowledged, flags) = (word(segment, 4), word(segment, 8), segment[13]);
    if flags & RST != 0 {
        return None;
    }
    let data = u32::try_from(segment.len() - header_bytes).ok()?;
    let numbers = data + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    let opens = flags & ACK == 0;
    let source = Place { address: word(packet, 12), port: [segment[0], segment[1]] };
    let destination = Place { address: word(packet, 16), port: [segment[2], segment[3]] };
    let to_sender = Numbers {
        sequence: if opens { 0 } else { acknowledged },
        acknowledged: sequence.wrapping_add(numbers),
    };
    let to_receiver = Numbers { sequence, acknowledged };
    Some(Resets {
        to_sender: reset(destination, source, to_sender),
        to_receiver: (!opens).then(|| reset(source, destination, to_receiver)),
    })
}

#[derive(Clone, Copy)]
struct Place {
    address: u32,
    port: [u8; 2],
}

#[derive(Clone, Copy)]
struct Numbers {
    sequence: u32,
    acknowledged: u32,
}

fn reset(from: Place, to: Place, numbers: Numbers) -> Reset {
    let mut packet = [0; IP_HEADER_BYTES + TCP_HEADER_BYTES];
    let bytes = packet.len() as u8;
    let (ip, tcp) = packet.split_at_mut(IP_HEADER_BYTES);
    ip[0] = 0x45;
    ip[3] = bytes;
    ip[6] = 0x40; // Not to be fragmented.
    ip[8] = 64; // Time to live.
    ip[9] = TCP;
    ip[12..16].copy_from_slice(&from.address.to_be_bytes());
    ip[16..20].copy_from_slice(&to.address.to_be_bytes());
    let sum = checksum(&[ip]);
    ip[10..12].copy_from_slice(&sum);
    tcp[0..2].copy_from_slice(&from.port);
    tcp[2..4].copy_from_slice(&to.port);
    tcp[4..8].copy_from_slice(&numbers.sequence.to_be_bytes());
    tcp[8..12].copy_from_slice(&numbers.acknowledged.to_be_bytes());
    tcp[12] = (TCP_HEADER_BYTES as u8 / 4) << 4;
    tcp[13] = RST | ACK;
    let sum = checksum(&[&ip[12..20], &[0, TCP, 0, TCP_HEADER_BYTES as u8], tcp]);
    tcp[16..18].copy_from_slice(&sum);
    packet
}

/// The Internet checksum (RFC 1071) over parts of even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2));
    let mut sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// Where what follows the IP header begins, and that.
fn payload(packet: &[u8]) -> Option<(usize, &[u8])> {
    let first = *packet.first()?;
    let header_bytes = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header_bytes < IP_HEADER_BYTES || packet.len() < header_bytes {
        return None;
    }
    let bytes = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    Some((header_bytes, packet.get(header_bytes..bytes)?))
}

fn is_first_fragment(packet: &[u8]) -> bool {
    packet[6] & 0x1f == 0 && packet[7] == 0
}

fn tcp_header_bytes(segment: &[u8]) -> Option<usize> {
    let bytes = usize::from(*segment.get(12)? >> 4) * 4;
    (TCP_HEADER_BYTES..=segment.len()).contains(&bytes).then_some(bytes)
}

/// The caller has seen that the header is there.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const FROM: u32 = 0x0a5a_0001;
    const TO: u32 = 0x0a5a_0002;

    /// A packet without checksums, which nobody reads here.
    pub(crate) fn packet(protocol: u8, from: u32, to: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; IP_HEADER_BYTES];
        packet[0] = 0x45;
        packet[9] = protocol;
        packet[12..16].copy_from_slice(&from.to_be_bytes());
        packet[16..20].copy_from_slice(&to.to_be_bytes());
        packet.extend(payload);
        let bytes = u16::try_from(packet.len()).unwrap();
        packet[2..4].copy_from_slice(&bytes.to_be_bytes());
        packet
    }

    pub(crate) fn udp(from: u32, to: u32, data: &[u8]) -> Vec<u8> {
        packet(UDP, from, to, &[&[0; UDP_HEADER_BYTES], data].concat())
    }

    pub(crate) fn tcp(from: u32, to: u32, flags: u8, data: &[u8]) -> Vec<u8> {
        let mut segment = vec![0x30, 0x39, 0x00, 0x50];
        segment.extend(0xffff_fffe_u32.to_be_bytes());
        segment.extend(7_u32.to_be_bytes());
        segment.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
        segment.extend(data);
        packet(TCP, from, to, &segment)
    }

    fn flags_and_numbers(reset: &Reset) -> (u8, u32, u32) {
        (reset[33], word(reset, 24), word(reset, 28))
    }

    fn assert_sums_are_right(reset: &Reset) {
        let (ip, tcp) = reset.split_at(IP_HEADER_BYTES);
        assert_eq!(checksum(&[ip]), [0, 0]);
        assert_eq!(checksum(&[&ip[12..20], &[0, TCP, 0, 20], tcp]), [0, 0]);
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The example of RFC 1071, section 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&bytes]), (!0xddf2_u16).to_be_bytes());
    }

    #[test]
    fn both_ends_get_the_number_they_wait_for() {
        let Resets { to_sender, to_receiver } = resets(&tcp(FROM, TO, ACK | FIN, b"four")).unwrap();
        // Around the end of the numbers: four bytes of data and the end of the stream.
        assert_eq!(flags_and_numbers(&to_sender), (RST | ACK, 7, 3));
        assert_eq!(addresses(&to_sender), Some((TO, FROM)));
        assert_eq!(to_sender[20..24], [0x00, 0x50, 0x30, 0x39]);
        assert_sums_are_right(&to_sender);
        let to_receiver = to_receiver.unwrap();
        assert_eq!(flags_and_numbers(&to_receiver), (RST | ACK, 0xffff_fffe, 7));
        assert_eq!(addresses(&to_receiver), Some((FROM, TO)));
        assert_eq!(to_receiver[20..24], [0x30, 0x39, 0x00, 0x50]);
        assert_sums_are_right(&to_receiver);
    }

    #[test]
    fn the_opening_segment_is_refused_to_its_sender_alone() {
        let Resets { to_sender, to_receiver } = resets(&tcp(FROM, TO, SYN, b"")).unwrap();
        assert_eq!(flags_and_numbers(&to_sender), (RST | ACK, 0, 0xffff_ffff));
        assert_eq!(to_receiver, None);
    }

    #[test]
    fn nothing_but_a_living_connection_is_reset() {
        assert_eq!(resets(&tcp(FROM, TO, RST, b"")), None);
        assert_eq!(resets(&udp(FROM, TO, b"a datagram, longer than a header")), None);
        let mut fragment = tcp(FROM, TO, ACK, b"");
        fragment[7] = 1;
        assert_eq!(resets(&fragment), None);
        assert_eq!(resets(&packet(TCP, FROM, TO, b"short")), None);
    }

    #[test]
    fn a_flip_changes_one_bit_of_the_data_and_a_second_one_mends_it() {
        for whole in [udp(FROM, TO, b"data"), tcp(FROM, TO, ACK, b"data")] {
            for bit in 0..100 {
                let mut packet = whole.clone();
                flip_bit(&mut packet, bit);
                let headers = whole.len() - 4;
                assert_eq!(packet[..headers], whole[..headers]);
                let pairs = packet.iter().zip(&whole);
                assert_eq!(pairs.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>(), 1);
                flip_bit(&mut packet, bit);
                assert_eq!(packet, whole);
            }
        }
    }

    #[test]
    fn without_data_a_header_inside_is_flipped_and_never_that_of_ip() {
        let whole = tcp(FROM, TO, ACK, b"");
        let mut packet = whole.clone();
        flip_bit(&mut packet, 0);
        assert_eq!(packet[..IP_HEADER_BYTES], whole[..IP_HEADER_BYTES]);
        assert_ne!(packet, whole);
    }

    #[test]
    fn what_is_not_to_be_routed_has_no_addresses() {
        assert_eq!(addresses(&udp(FROM, TO, b"")), Some((FROM, TO)));
        assert_eq!(addresses(&packet(IGMP, FROM, TO, b"")), None);
        let whole = udp(FROM, TO, b"");
        assert_eq!(addresses(&whole[..whole.len() - 1]), None);
        assert_eq!(addresses(&[0x60; 60]), None);
        assert_eq!(addresses(&[0x4f; 21]), None);
        assert_eq!(addresses(&[]), None);
    }
}
