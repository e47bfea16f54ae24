/*
 * Keeps documents in a folder and answers questions about them, from C++: a document that is there is not read again.
 *
 *     packages/build target/embed
 *     export PKG_CONFIG_PATH=$PWD/target/embed/lib/pkgconfig
 *     c++ -std=c++17 -o library examples/library.cpp $(pkg-config --cflags --libs ramba-static)
 *     ./library models/ramba-small.gguf manuals pump.txt "What is the pass key of the pump?"
 */
#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>

#include <ramba.hpp>

/* Reads a file into the document, with the number of each line as its label. */
static void read(ramba::session &document, std::ifstream &file) {
    std::string line;
    for (std::uint64_t at = 0, number = 1; std::getline(file, line); number++) {
        line += '\n';
        document.feed(line);
        document.mark(at, at, ("line " + std::to_string(number)).c_str());
        at += line.size();
    }
    document.commit();
}

int main(int argc, char **argv) try {
    if (argc != 5) {
        std::cerr << "usage: " << argv[0] << " MODEL FOLDER FILE QUESTION\n";
        return 2;
    }
    const std::string name = argv[3], question = argv[4];
    ramba::model model(argv[1]);
    model.check_question(question);
    ramba::library library(model, argv[2]);

    auto names = library.documents();
    bool known = std::find(names.begin(), names.end(), name) != names.end();
    if (!known) {
        std::ifstream file(name, std::ios::binary);
        if (!file) {
            std::cerr << name << " cannot be opened\n";
            return 1;
        }
        auto document = library.add(name);
        document.set_progress([](const ramba_progress &progress) {
            std::cerr << progress.tokens << " tokens read\n";
            return true;
        });
        read(document, file);
    }

    auto document = library.open(name);
    std::string shown;
    auto answer = document.ask(question, ramba::ask_options(), [&](std::string_view text) {
        shown += text;
        return true;
    });
    if (answer.support == RAMBA_SUPPORT_NONE) {
        std::cout << "not found in the document\n";
        return 3;
    }
    std::cout << shown << '\n';
    for (const auto &quote : answer.quotes) {
        std::cout << quote.document << ", " << quote.label << ": bytes " << quote.bytes.start << " to " << quote.bytes.end
                  << '\n';
    }
    return 0;
} catch (const ramba::error &error) {
    std::cerr << "error " << error.status() << ": " << error.what() << '\n';
    return 1;
}
