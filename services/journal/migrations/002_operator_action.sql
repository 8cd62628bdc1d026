-- Operators' actions that concern no message. Those on a message are facts of that message.
CREATE TABLE operator_action (
    id {text} PRIMARY KEY,
    at BIGINT NOT NULL,
    actor {text} NOT NULL,
    action {text} NOT NULL,
    reason {text} NOT NULL,
    detail {text} NOT NULL
);
