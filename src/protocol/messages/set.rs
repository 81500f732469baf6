//! Set: the distributed set.

use crate::data::Data;
use crate::field::ProtocolUuid;
use crate::message::messages;

messages! {
    service Set = 0x06;

    0x01 Size size once by_name
        { name: String } => { response: i32 };

    0x02 Contains contains once by_name
        { name: String, value: Data } => { response: bool };

    0x03 ContainsAll contains_all once by_name
        { name: String, items: Vec<Data> } => { response: bool };

    0x04 Add add once by_name
        { name: String, value: Data } => { response: bool };

    0x05 Remove remove once by_name
        { name: String, value: Data } => { response: bool };

    0x06 AddAll add_all once by_name
        { name: String, value_list: Vec<Data> } => { response: bool };

    0x07 CompareAndRemoveAll compare_and_remove_all once by_name
        { name: String, values: Vec<Data> } => { response: bool };

    0x08 CompareAndRetainAll compare_and_retain_all once by_name
        { name: String, values: Vec<Data> } => { response: bool };

    0x09 Clear clear once by_name
        { name: String } => {};

    0x0a GetAll get_all once by_name
        { name: String } => { response: Vec<Data> };

    0x0b AddListener add_listener once anywhere
        { name: String, include_value: bool, local_only: bool } => { response: ProtocolUuid }
        event 2 ItemEvent { item: Option<Data>, uuid: ProtocolUuid, event_type: i32 };

    0x0c RemoveListener remove_listener retryable anywhere
        { name: String, registration_id: ProtocolUuid } => { response: bool };

    0x0d IsEmpty is_empty once by_name
        { name: String } => { response: bool };
}
