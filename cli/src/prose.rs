//! English-looking filler text of any length from a seed: a document for those who have none at hand.

/// A small pseudo-random generator (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>): the same seed gives the
/// same text everywhere.
pub struct Rng(u64);

impl Rng {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..n` (`n` > 0). The bias of the remainder is far below what filler text needs.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// One of `items`, which must not be empty.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

const PEOPLE: &[&str] = &[
    "the ferryman",
    "an old surveyor",
    "my aunt",
    "the youngest of the clerks",
    "a travelling printer",
    "the widow",
    "our captain",
    "the lighthouse keeper",
    "a boy from the mill",
    "the doctor",
    "her brother",
    "the magistrate",
    "a carpenter",
    "the schoolmistress",
    "two of the fishermen",
    "the gardener",
    "a stranger in grey",
    "the postmaster",
    "his cousin",
    "the organist",
];
const PLACES: &[&str] = &[
    "the harbour",
    "the upper valley",
    "a narrow street behind the church",
    "the kitchen",
    "the orchard",
    "the northern road",
    "the library",
    "the edge of the forest",
    "the old bridge",
    "the station",
    "the market square",
    "a cottage by the river",
    "the observatory",
    "the salt marshes",
    "the quarry",
    "the long gallery",
    "the winter garden",
    "the boat house",
];
const THINGS: &[&str] = &[
    "letter",
    "lantern",
    "map",
    "violin",
    "basket of apples",
    "broken clock",
    "ledger",
    "coat",
    "telescope",
    "kettle",
    "bundle of newspapers",
    "silver spoon",
    "ladder",
    "portrait",
    "fishing net",
    "wooden box",
    "umbrella",
    "key ring",
    "saddle",
    "bottle of ink",
    "teapot",
    "compass",
    "blanket",
    "mirror",
];
const KINDS: &[&str] = &[
    "small",
    "heavy",
    "forgotten",
    "painted",
    "very old",
    "borrowed",
    "dusty",
    "beautiful",
    "plain",
    "rather damp",
    "costly",
    "curious",
    "worn",
    "dark green",
    "unfinished",
    "handsome",
];
const DEEDS: &[&str] = &[
    "carried",
    "found",
    "described",
    "mended",
    "bought",
    "dropped",
    "hid",
    "returned",
    "admired",
    "lost sight of",
    "wrapped up",
    "asked about",
    "remembered",
    "sketched",
    "left behind",
    "talked about",
];
const TIMES: &[&str] = &[
    "in the early morning",
    "before the rain began",
    "late that evening",
    "on the second day",
    "after the harvest",
    "during the long winter",
    "at noon",
    "when the tide was low",
    "a week later",
    "towards the end of summer",
    "without a word",
    "while the others slept",
    "for the first time in years",
    "just as the bells rang",
];
const WEATHER: &[&str] = &[
    "The wind had turned to the west",
    "Snow lay thick upon the roofs",
    "It was a mild and cloudy afternoon",
    "The fog came up from the water",
    "A pale sun stood over the hills",
    "The rain fell steadily",
    "The night was clear and full of stars",
    "Thunder rolled far away",
];
const THOUGHTS: &[&str] = &[
    "nobody thought it strange",
    "it seemed a small matter then",
    "there was little more to be said",
    "the reason was never explained",
    "everyone agreed that it was for the best",
    "they laughed about it afterwards",
    "that was the custom of the place",
    "no one could say who had begun it",
    "it made a pleasant change",
    "the question was soon forgotten",
    "such things take time",
];

/// Appends one paragraph of four to nine sentences and an empty line to `out`.
pub fn paragraph(rng: &mut Rng, out: &mut String) {
    for _ in 0..4 + rng.below(6) {
        let from = out.len();
        sentence(rng, out);
        capitalize(out, from);
        out.push(' ');
    }
    out.pop();
    out.push_str("\n\n");
}

fn sentence(rng: &mut Rng, out: &mut String) {
    let (who, other) = (rng.pick(PEOPLE), rng.pick(PEOPLE));
    let (place, thing, kind) = (rng.pick(PLACES), rng.pick(THINGS), rng.pick(KINDS));
    let (deed, time, thought) = (rng.pick(DEEDS), rng.pick(TIMES), rng.pick(THOUGHTS));
    let weather = rng.pick(WEATHER);
    out.push_str(&match rng.below(10) {
        0 => format!("{who} {deed} the {kind} {thing} near {place}, and {thought}."),
        1 => format!("{time}, {who} {deed} a {thing} that had belonged to {other}."),
        2 => format!("{weather}, and {who} walked from {place} to {} {time}.", rng.pick(PLACES)),
        3 => format!("“Have you seen my {thing}?” asked {who}; but {other} only looked towards {place}."),
        4 => format!("There was a {kind} {thing} in {place}, which {who} {deed} {time}."),
        5 => format!("{who} told {other} about {place}, where the {thing} had once been {kind}; {thought}."),
        6 => format!("{weather}; in {place} the {kind} {thing} was all that {who} had left."),
        7 => format!("If {who} {deed} anything {time}, {other} did not hear of it, for {thought}."),
        8 => format!("{time} one could see {place} from the window, and {who} often spoke of it."),
        _ => format!("Neither {who} nor {other} cared much for the {thing}, however {kind} it was."),
    });
}

fn capitalize(text: &mut String, at: usize) {
    if let Some(first) = text[at..].chars().next().filter(char::is_ascii_lowercase) {
        text.replace_range(at..at + 1, &first.to_ascii_uppercase().to_string());
    }
}

/// About `bytes` bytes of paragraphs: whole ones, so up to one paragraph more.
pub fn prose(rng: &mut Rng, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes + 2048);
    while out.len() < bytes {
        paragraph(rng, &mut out);
    }
    out
}
