//! The API that other tools speak: models, and chat completions.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ramba::{Answer, Error, StopReason, Support};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shelf::Shelf;
use super::web::{Asker, Failed, Listener, blocking, error_json, lines};
use crate::answers;

/// Where a list of models is asked for.
pub async fn models(State(shelf): State<Arc<Shelf>>) -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": shelf.model, "object": "model", "created": 0, "owned_by": "ramba"}]}))
}

/// What is read of a request: the question is the last message of the user. Other messages are not: each question stands for itself.
#[derive(Deserialize)]
pub struct Chat {
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    /// A text, or parts of which some are texts.
    #[serde(default)]
    content: Value,
}

impl Chat {
    fn question(&self) -> Option<String> {
        let message = self.messages.iter().rfind(|message| message.role == "user")?;
        let text = match &message.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
            _ => String::new(),
        };
        Some(text).filter(|text| !text.trim().is_empty())
    }
}

/// Answers a question from all documents. The answer has its sources beside it, as `ramba ask --json` has them.
pub async fn completions(State(shelf): State<Arc<Shelf>>, Json(chat): Json<Chat>) -> Response {
    let Some(question) = chat.question() else {
        return Failed(Error::invalid("there is no message of the user with text")).into_response();
    };
    let max_tokens = chat.max_completion_tokens.or(chat.max_tokens);
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let id = format!("chatcmpl-{created:x}-{:x}", std::process::id());
    if chat.stream {
        return lines("text/event-stream", move |line| {
            // What is not in the documents is a guess, and is known to be one when it is written.
            let mut go_on = |_: &str| ControlFlow::Continue(());
            let answer = shelf.ask(&question, None, max_tokens, |cancel| line.listener.watch(cancel), &mut go_on);
            let chunk = |delta: Value, reason: Option<&str>, more: Value| {
                let chunk = json!({
                    "id": id, "object": "chat.completion.chunk", "created": created, "model": shelf.model,
                    "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
                });
                line.say(format!("data: {}\n\n", with(chunk, more)))
            };
            let said = match &answer {
                Ok(answer) => chunk(json!({"role": "assistant", "content": ""}), None, Value::Null)
                    .and_then(|()| {
                        words(&content(answer)).try_for_each(|word| chunk(json!({"content": word}), None, Value::Null))
                    })
                    .and_then(|()| chunk(json!({}), Some(reason(answer)), sources(&question, answer))),
                Err(e) => line.say(format!("data: {}\n\n", error_json(e))),
            };
            // Nobody may be there to hear it.
            drop(said.and_then(|()| line.say("data: [DONE]\n\n".into())));
        });
    }
    let model = shelf.model.clone();
    let asked = question.clone();
    let listener = Listener::default();
    // Dropped with this, if who asked does not wait for the answer.
    let _asker = Asker(listener.clone());
    let answer = blocking(move || {
        let begun = |cancel| listener.watch(cancel);
        let answer = shelf.ask(&asked, None, max_tokens, begun, &mut |_| ControlFlow::Continue(()));
        listener.done();
        answer
    });
    let answer = answer.await;
    match answer {
        Err(failed) => failed.into_response(),
        Ok(answer) => {
            let reply = json!({
                "id": id, "object": "chat.completion", "created": created, "model": model,
                "choices": [{
                    "index": 0, "finish_reason": reason(&answer),
                    "message": {"role": "assistant", "content": content(&answer)},
                }],
            });
            Json(with(reply, sources(&question, &answer))).into_response()
        }
    }
}

/// What the assistant says.
fn content(answer: &Answer) -> String {
    match answer.support {
        Support::None => "Not found in the documents.".into(),
        _ => answer.text.trim().to_owned(),
    }
}

fn reason(answer: &Answer) -> &'static str {
    if answer.stop == StopReason::Length { "length" } else { "stop" }
}

/// `object` with the fields of `more`, if that is an object.
fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}

/// What other tools do not know of.
fn sources(question: &str, answer: &Answer) -> Value {
    let json = answers::json(question, answer);
    json!({"support": json["support"], "quotes": json["quotes"], "sources": json["sources"]})
}

/// `text` word by word, with the space after each.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}
