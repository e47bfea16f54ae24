//! Questions with their answers, from the files that benchmarks come in.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use ramba::{Error, Result};
use serde_json::Value;

/// How an answer is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Benchmark {
    /// `{"data": [{"title", "paragraphs": [{"context", "qas": [{"question", "answers": [{"text", "answer_start"}]}]}]}]}`. All
    /// articles together are one document. Questions without answers (SQuAD 2.0) are not answered by it.
    Squad,
    /// `[{"document", "questions": [{"question", "answers": []}]}]`: documents and questions of one's own. Questions without answers are
    /// not answered by the document.
    Own,
    /// One `{"input", "question", "target"}` a line, each a document of its own.
    Babilong,
    /// One `{"input", "outputs"}` a line, each a document of its own, whose last paragraph is the question.
    Ruler,
}

/// A document and what is asked about it.
pub struct Document {
    pub text: String,
    pub cases: Vec<Case>,
}

/// A question.
pub struct Case {
    pub question: String,
    /// What counts as right; none if the document holds no answer.
    pub wanted: Vec<String>,
    /// Bytes of the document where one of them stands, as far as the file tells.
    pub places: Vec<Range<usize>>,
}

/// What a file holds.
pub struct Suite {
    pub benchmark: Benchmark,
    pub documents: Vec<Document>,
    /// All answers of the file in lower case: BABILong counts an answer that names two of them as wrong.
    pub labels: BTreeSet<String>,
}

impl Suite {
    /// Reads a file of any of the kinds, and tells them apart.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(format!("reading {name}"), e))?;
        Self::parse(&text).map_err(|e| Error::new(e.kind(), format!("{name}: {e}")))
    }

    fn parse(text: &str) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let (labels, whole) = (BTreeSet::new(), serde_json::from_str::<Value>(text));
        match whole {
            Ok(value) if value.get("data").is_some() => {
                return Ok(Self { benchmark: Benchmark::Squad, documents: vec![squad(&value)?], labels });
            }
            Ok(Value::Array(documents)) => {
                let documents = documents.iter().map(own).collect::<Result<_>>()?;
                return Ok(Self { benchmark: Benchmark::Own, documents, labels });
            }
            _ => {}
        }
        let (mut documents, mut labels, mut benchmark) = (Vec::new(), BTreeSet::new(), None);
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let value: Value =
                serde_json::from_str(line).map_err(|e| Error::format(format!("line {number}: no JSON: {e}")))?;
            let (kind, document) = line_of(&value).map_err(|e| e.context(format_args!("line {number}")))?;
            if *benchmark.get_or_insert(kind) != kind {
                return Err(Error::format(format!("line {number} is of another benchmark than those before")));
            }
            let wanted = document.cases.iter().flat_map(|case| &case.wanted);
            labels.extend(wanted.flat_map(|wanted| wanted.split(',')).map(|label| label.trim().to_lowercase()));
            documents.push(document);
        }
        let benchmark = benchmark.ok_or_else(|| Error::format("there are no questions"))?;
        Ok(Self { benchmark, documents, labels })
    }
}

/// A field of text.
fn field<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().ok_or_else(|| Error::format(format!("`{key}` is missing or no text")))
}

/// A field that is a list.
fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().ok_or_else(|| Error::format(format!("`{key}` is missing or no list")))
}

fn squad(value: &Value) -> Result<Document> {
    let (mut text, mut cases) = (String::new(), Vec::new());
    for article in list(value, "data")? {
        text.push_str(&field(article, "title")?.replace('_', " "));
        text.push_str("\n\n");
        for paragraph in list(article, "paragraphs")? {
            let (context, start) = (field(paragraph, "context")?, text.len());
            text.push_str(context);
            text.push_str("\n\n");
            for asked in list(paragraph, "qas")? {
                let (mut wanted, mut places) = (Vec::new(), Vec::new());
                for answer in list(asked, "answers")? {
                    let said = field(answer, "text")?;
                    let at = answer["answer_start"].as_u64().and_then(|at| usize::try_from(at).ok());
                    // Positions count characters.
                    let at = at.and_then(|at| context.char_indices().nth(at)).map(|(at, _)| start + at);
                    places.extend(at.map(|at| at..at + said.len()));
                    wanted.push(said.into());
                }
                cases.push(Case { question: field(asked, "question")?.trim().into(), wanted, places });
            }
        }
    }
    Ok(Document { text, cases })
}

fn own(value: &Value) -> Result<Document> {
    let text: String = field(value, "document")?.into();
    let case = |asked: &Value| {
        let wanted = list(asked, "answers")?.iter().map(|text| text.as_str().map(String::from)).collect::<Option<_>>();
        let wanted = wanted.ok_or_else(|| Error::format("`answers` holds something that is no text"))?;
        // Which of the places where an answer stands answers the question, the file does not say.
        Ok(Case { question: field(asked, "question")?.trim().into(), wanted, places: Vec::new() })
    };
    let cases = list(value, "questions")?.iter().map(case).collect::<Result<_>>()?;
    Ok(Document { text, cases })
}

fn line_of(value: &Value) -> Result<(Benchmark, Document)> {
    let input = field(value, "input")?;
    if value.get("outputs").is_some() {
        let wanted = list(value, "outputs")?.iter().map(|text| text.as_str().map(String::from)).collect::<Option<_>>();
        let wanted: Vec<String> = wanted.ok_or_else(|| Error::format("`outputs` holds something that is no text"))?;
        // The question is what stands behind the last line break; the part that begins the answer is not a question.
        let input = input.trim_end();
        let (text, last) = input.rsplit_once('\n').unwrap_or(("", input));
        let question = match last.split_once('?') {
            Some((question, _)) => format!("{question}?"),
            None => last.into(),
        };
        let text = String::from(text);
        let places = wanted.iter().filter_map(|wanted| text.rfind(wanted).map(|at| at..at + wanted.len())).collect();
        return Ok((Benchmark::Ruler, Document { text, cases: vec![Case { question, wanted, places }] }));
    }
    let case = Case {
        question: field(value, "question")?.trim().into(),
        wanted: vec![field(value, "target")?.into()],
        // Which of the places where the word stands answers the question, the file does not say.
        places: Vec::new(),
    };
    Ok((Benchmark::Babilong, Document { text: input.into(), cases: vec![case] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squad_is_one_document_with_places() {
        let suite = Suite::parse(
            r#"{"data": [{"title": "The_Seine", "paragraphs": [
                {"context": "Où? The Seine is 777 km long.", "qas": [
                    {"question": " How long is it? ", "answers": [{"text": "777 km", "answer_start": 17}]},
                    {"question": "How deep?", "answers": [], "is_impossible": true}]}]}]}"#,
        )
        .unwrap();
        assert_eq!(suite.benchmark, Benchmark::Squad);
        let [document] = &suite.documents[..] else { panic!("several documents") };
        assert!(document.text.starts_with("The Seine\n\nOù?"));
        let [long, deep] = &document.cases[..] else { panic!("not two questions") };
        assert_eq!((long.question.as_str(), &document.text[long.places[0].clone()]), ("How long is it?", "777 km"));
        assert!(deep.wanted.is_empty() && deep.places.is_empty());
    }

    #[test]
    fn documents_of_ones_own_have_questions_with_and_without_answers() {
        let suite = Suite::parse(
            r#"[{"document": "The key is 7.", "questions": [
                {"question": "What is the key?", "answers": ["7", "seven"]}, {"question": "Whose?", "answers": []}]},
               {"document": "Nothing.", "questions": []}]"#,
        )
        .unwrap();
        let [first, second] = &suite.documents[..] else { panic!("not two documents") };
        assert_eq!((suite.benchmark, first.text.as_str(), second.cases.len()), (Benchmark::Own, "The key is 7.", 0));
        assert_eq!(first.cases.iter().map(|case| case.wanted.len()).collect::<Vec<_>>(), [2, 0]);
        let error = Suite::parse(r#"[{"document": "a", "questions": [{"question": "b"}]}]"#).err().unwrap();
        assert!(error.to_string().contains("answers"), "{error}");
    }

    #[test]
    fn lines_are_told_apart() {
        let babilong =
            Suite::parse("{\"input\": \"a\", \"question\": \"Where?\", \"target\": \"Garden\"}\n\n").unwrap();
        assert_eq!((babilong.benchmark, babilong.labels), (Benchmark::Babilong, ["garden".into()].into()));
        let ruler =
            r#"{"input": "One of the numbers is: 77.\nmore\nWhat is the number? The number is", "outputs": ["77"]}"#;
        let ruler = Suite::parse(ruler).unwrap();
        let case = &ruler.documents[0].cases[0];
        assert_eq!((ruler.benchmark, case.question.as_str()), (Benchmark::Ruler, "What is the number?"));
        assert_eq!(&ruler.documents[0].text[case.places[0].clone()], "77");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| Suite::parse(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error("").contains("no questions"));
        assert!(error("{\"input\": \"a\"}").contains("line 1") && error("{\"input\": \"a\"}").contains("question"));
        assert!(error("{\"input\": 3}").contains("input"));
        assert!(error("nonsense").contains("line 1: no JSON"));
        let mixed = "{\"input\":\"a\",\"question\":\"b\",\"target\":\"c\"}\n{\"input\":\"a\",\"outputs\":[\"c\"]}";
        assert!(error(mixed).contains("line 2"));
    }
}
