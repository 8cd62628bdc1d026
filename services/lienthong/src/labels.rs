//! What states, steps and message types are called on the screen, in both languages.

use proto::fault::Lang;
use proto::message::v1::{MessageType, State, Step};

/// The label of a state.
pub(crate) fn state_label(lang: Lang, state: State) -> &'static str {
    let (vi, en) = match state {
        State::Unspecified => ("không rõ", "unknown"),
        State::Accepted => ("đã vào trục", "accepted"),
        State::Routed => ("đã định tuyến", "routed"),
        State::Queued => ("đang chuyển", "queued"),
        State::Held => ("chờ văn bản trước", "held"),
        State::InHand => ("ứng dụng đang nhận", "in hand"),
        State::Parked => ("chờ thử lại", "parked"),
        State::Taken => ("đã nhận", "taken"),
        State::Refused => ("bị từ chối", "refused"),
        State::Dead => ("cách ly", "dead letter"),
        State::InDoubt => ("chưa rõ đã nhận", "in doubt"),
        State::Withdrawn => ("đã rút", "withdrawn"),
    };
    choose(lang, vi, en)
}

/// The label of a step.
pub(crate) fn step_label(lang: Lang, step: Step) -> &'static str {
    let (vi, en) = match step {
        Step::Unspecified => ("không rõ", "unknown"),
        Step::Submitted => ("gửi vào", "submitted"),
        Step::Normalized => ("chuẩn hóa", "normalised"),
        Step::Accepted => ("nhận vào trục", "accepted"),
        Step::Repeated => ("gửi lặp, trả biên nhận cũ", "repeat, first receipt given"),
        Step::Conflicted => ("trùng khóa, khác nội dung", "same key, other content"),
        Step::Routed => ("định tuyến", "routed"),
        Step::Translated => ("dịch định dạng", "translated"),
        Step::Held => ("chờ văn bản trước", "held"),
        Step::Released => ("được đi tiếp", "released"),
        Step::Begun => ("giao cho ứng dụng", "handed over"),
        Step::Taken => ("ứng dụng đã nhận", "taken"),
        Step::Refused => ("ứng dụng từ chối", "refused"),
        Step::Unavailable => ("ứng dụng tạm vắng", "unavailable"),
        Step::Parked => ("hẹn thử lại", "parked"),
        Step::Dead => ("cách ly", "dead letter"),
        Step::DrivenAgain => ("đưa đi lại", "driven again"),
        Step::GivenBack => ("trả lại", "given back"),
        Step::InDoubt => ("chưa rõ đã nhận", "in doubt"),
        Step::Withdrawn => ("đã rút", "withdrawn"),
        Step::Confirmed => ("xác nhận đã đến", "confirmed"),
        Step::LateAnswer => ("trả lời muộn", "late answer"),
        Step::Resubmitted => ("gửi lại thành thông điệp mới", "submitted again as a new message"),
        Step::Resent => ("gửi lại một bản", "sent again as a copy"),
        Step::Altered => ("bản sao bị sửa, đã loại", "altered copy dropped"),
    };
    choose(lang, vi, en)
}

/// The label of a type.
pub(crate) fn type_label(lang: Lang, message_type: MessageType) -> &'static str {
    let (vi, en) = match message_type {
        MessageType::Unspecified => ("không rõ", "unknown"),
        MessageType::Document => ("văn bản", "document"),
        MessageType::Status => ("trạng thái", "status"),
        MessageType::Meeting => ("cuộc họp", "meeting"),
        MessageType::Notice => ("thông báo", "notice"),
        MessageType::Dataset => ("dữ liệu", "dataset"),
        MessageType::DeliveryReport => ("báo phát", "delivery report"),
    };
    choose(lang, vi, en)
}

fn choose(lang: Lang, vi: &'static str, en: &'static str) -> &'static str {
    match lang {
        Lang::Vi => vi,
        Lang::En => en,
    }
}
