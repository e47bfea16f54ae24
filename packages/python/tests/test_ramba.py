"""The installed package: RAMBA_MODEL names the model that comes with the repository."""

import gc
import os
import tempfile
import threading
import unittest

import ramba

MODEL = os.environ["RAMBA_MODEL"]
TEXT = "The pass key of QXRT is 482913. Three of the months were naïve, the others not; such is the path. "
QUESTION = "What is the pass key of QXRT?"


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = ramba.Model(MODEL, threads=2)

    def test_an_answer_says_what_it_rests_on(self):
        with self.model.memory(budget=8 << 20) as memory:
            for byte in TEXT.encode():
                memory.feed(bytes([byte]))
            told = []
            answer = memory.ask(QUESTION, told.append)
            self.assertEqual(("".join(told), answer.text), ("482913", "482913"))
            self.assertEqual((answer.stop, answer.support), (ramba.Stop.END, ramba.Support.QUOTED))
            self.assertTrue(answer.found and answer.weight > 0.5 and answer.probability > 0.5)
            self.assertEqual((answer.quotes[0].bytes, answer.quotes[0].text, answer.quotes[0].origin), ((24, 30), "482913", None))
            self.assertIn("naïve", answer.sources[0].text)
            self.assertEqual(memory.text(24, 30), "482913")
            self.assertFalse(memory.ask("What is the pass key of ABCD?").found)
            self.assertEqual(memory.ask(QUESTION, max_tokens=2).stop, ramba.Stop.LENGTH)
            self.assertEqual(memory.progress.bytes, len(TEXT.encode()))
            self.assertTrue(memory.generate("So ", max_tokens=5, free=True).text)

    def test_streams(self):
        with self.model.memory() as memory:
            memory.feed(TEXT)
            stream = memory.stream(QUESTION)
            texts = list(stream)
            self.assertGreater(len(texts), 1)
            self.assertEqual(("".join(texts), stream.answer.text), ("482913", "482913"))
            # One that is left stops, and the memory is free again.
            with memory.stream(QUESTION) as stream:
                next(stream)
            with self.assertRaises(ValueError):
                stream.answer
            self.assertEqual(memory.ask(QUESTION).text, "482913")
            with self.assertRaises(ramba.Error):
                list(memory.stream(" "))

    def test_failures_are_exceptions_with_messages(self):
        with self.assertRaises(ramba.Error) as caught:
            ramba.Model("/nowhere/at all")
        self.assertEqual(caught.exception.status, ramba.Status.IO)
        self.assertIn("nowhere", str(caught.exception))
        with self.assertRaises(ValueError):
            ramba.Model(MODEL, device="abacus")
        with self.model.memory() as memory:
            with self.assertRaisesRegex(ramba.Error, "document is empty"):
                memory.ask(QUESTION)
            with self.assertRaisesRegex(ramba.Error, "UTF-8"):
                memory.feed(b"\xff")
            memory.feed(TEXT)

            def fail(_):
                raise KeyError("mine")

            with self.assertRaisesRegex(KeyError, "mine"):
                memory.ask(QUESTION, fail)
            self.assertEqual(memory.ask(QUESTION, lambda text: False).stop, ramba.Stop.CALLBACK)
            with self.assertRaises(TypeError):
                memory.ask(QUESTION, temprature=1)
        with self.assertRaisesRegex(ramba.Error, "null"):
            memory.ask(QUESTION)
        memory.close()

    def test_cancelling(self):
        with self.model.memory() as memory:
            seen = []
            memory.on_progress(lambda progress: seen.append(progress) or memory.cancel())
            text = (TEXT * 4000).encode()
            with self.assertRaises(ramba.Cancelled):
                memory.feed(text)
            self.assertGreater(seen[0].tokens, 0)
            with self.assertRaises(ramba.Cancelled):
                memory.ask(QUESTION)
            memory.uncancel()
            memory.on_progress(None)
            memory.feed(text[memory.progress.bytes :][:1000])
            self.assertEqual(memory.ask(QUESTION).text, "482913")
            # Used by two threads at once.
            busy, go_on = threading.Event(), threading.Event()
            answers = []
            other = threading.Thread(target=lambda: answers.append(memory.ask(QUESTION, lambda _: busy.set() or go_on.wait())))
            other.start()
            busy.wait()
            with self.assertRaises(ramba.Busy):
                memory.prefill()
            go_on.set()
            other.join()
            self.assertEqual(answers[0].text, "482913")

    def test_loading(self):
        told = []
        with open(MODEL, "rb") as file:
            data = bytearray(file.read())
        with ramba.Model(data, threads=1, on_load=lambda loaded, all: told.append((loaded, all))) as model:
            memory = model.memory()
        self.assertEqual(told[-1][0], told[-1][1])
        # A memory keeps what it needs.
        del data, model
        gc.collect()
        memory.feed(TEXT)
        self.assertEqual(memory.ask(QUESTION).text, "482913")
        with self.assertRaises(ramba.Cancelled):
            ramba.Model(MODEL, on_load=lambda loaded, all: False)
        with self.assertRaises(ZeroDivisionError):
            ramba.Model(MODEL, on_load=lambda loaded, all: 1 / 0)

    def test_memory_is_told(self):
        before = ramba.estimate(MODEL, 1 << 20, 3 << 20, budget=1 << 20)
        self.assertEqual(before.anonymous, before.repacked + before.scratch + before.state + before.cache)
        self.assertLessEqual(before.cache, 1 << 20)
        with self.model.memory() as memory:
            memory.feed(TEXT)
            memory.prefill()
            self.assertEqual((memory.usage.weights, memory.skipped), (before.weights, []))
            self.assertGreater(memory.usage.scratch, 0)
        with self.assertRaises(ramba.Error):
            ramba.estimate("nowhere", 1, 1)

    def test_libraries(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "manuals")
            with self.model.library(path) as library:
                with library.add("pump.txt") as document:
                    document.feed(TEXT)
                    document.mark(0, "page 1", 1000)
                    document.commit()
                with library.add("notes") as document:
                    document.feed("Nothing of that kind. ")
                    document.commit()
                self.assertEqual(library.documents, ["pump.txt", "notes"])
                with self.assertRaises(ramba.Busy):
                    self.model.library(path)
            with self.model.library(path, read_only=True) as library:
                with library.open("pump.txt") as document:
                    answer = document.ask(QUESTION)
                    quote = answer.quotes[0]
                    self.assertEqual((answer.text, quote.label, quote.origin, quote.document), ("482913", "page 1", (1024, 1030), "pump.txt"))
                    self.assertEqual(document.tokens_computed, 0)
                with library.open_many() as documents:
                    self.assertEqual(documents.ask(QUESTION).quotes[0].document, "pump.txt")
                self.assertEqual(library.verify(), [])
            with self.model.library(path) as library:
                library.remove("pump.txt")
                self.assertEqual(library.documents, ["notes"])

    def test_in_one_call(self):
        self.assertEqual(ramba.ask(MODEL, TEXT, QUESTION).text, "482913")
        self.assertEqual(ramba.ask(self.model, TEXT, QUESTION).text, "482913")
        self.assertRegex(ramba.version(), r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main()
