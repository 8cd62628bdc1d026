//! Property tests: what holds for every message and every format, on random messages.

mod differential;
mod handwritten;
mod laws;
mod native_tree;
mod random_messages;
mod reference;
mod reference_report;
mod synthetic;

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _};

use self::laws::SHIPPED;
use self::random_messages::{RandomMessages, descriptor_of};
use self::reference_report::ReportedLoss;
use crate::model::{decode, encode, message_schema};
use crate::path_map::PathMap;
use crate::report::compare;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// The own codec agrees with prost-reflect.
    #[test]
    fn the_wire_codec_agrees_with_prost_reflect(seed in any::<u64>()) {
        let registry = &*SHIPPED;
        for name in ["edxml.document", "edxml.status"] {
            let descriptor = descriptor_of(registry.get(name).unwrap());
            let message = RandomMessages(seed).any_message(&descriptor);
            let bytes = message.encode_to_vec();
            let schema = message_schema(message.descriptor().name()).unwrap();
            let decoded = decode(schema, &bytes).unwrap();
            let again = encode(&decoded);
            let mut other = DynamicMessage::new(message.descriptor());
            other.merge(again.as_slice()).unwrap();
            prop_assert_eq!(&again, &bytes);
            prop_assert_eq!(reference_report::leaves(&message), reference_report::leaves(&other));
            for end in 0..bytes.len().min(200) {
                // A truncated message is refused or shorter, but never panics.
                let _truncated = decode(schema, bytes.get(..end).unwrap());
            }
        }
    }

    /// The report of one walk equals a report that compares all paths.
    #[test]
    fn the_report_equals_the_reference_report(seed in any::<u64>()) {
        let registry = &*SHIPPED;
        for name in ["edxml.document", "edxml.status"] {
            let mut random = RandomMessages(seed);
            let descriptor = descriptor_of(registry.get(name).unwrap());
            let (message, read) = random.similar_pair(&descriptor);
            let bytes = [message.encode_to_vec(), read.encode_to_vec()];
            let schema = message_schema(message.descriptor().name()).unwrap();
            let [old, new] = [&bytes[0], &bytes[1]].map(|it| decode(schema, it).unwrap());
            let losses = compare(&old, &new, &PathMap::default());
            let reported: Vec<ReportedLoss> =
                losses.into_iter().map(|it| (it.kind(), it.path, it.value)).collect();
            prop_assert_eq!(reported, reference_report::compare(&message, &read));
        }
    }
}
