//! PDF files made on the spot.

/// A PDF file of objects, the first of which is its catalogue.
pub fn of(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj\n", i + 1).into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let xref = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    places.iter().for_each(|at| file.extend(format!("{at:010} 00000 n \n").into_bytes()));
    let trailer =
        format!("trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{xref}\n%%EOF\n", objects.len() + 1);
    file.extend(trailer.into_bytes());
    file
}

/// A stream with these entries in its dictionary, beside the length.
pub fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    [format!("<< {dictionary} /Length {} >>\nstream\n", data.len()).as_bytes(), data, b"\nendstream"].concat()
}

/// A PDF file with a page for each content stream.
pub fn pdf(pages: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let kids: String = (0..pages.len()).map(|i| format!("{} 0 R ", 5 + 2 * i)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Count {} /Kids [{kids}] >>", pages.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
        stream(
            "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8",
            b"\x80",
        ),
    ];
    for (i, content) in pages.iter().enumerate() {
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {} 0 R \
                 /Resources << /Font << /F 3 0 R >> /XObject << /I 4 0 R >> >> >>",
                6 + 2 * i
            )
            .into_bytes(),
        );
        objects.push(content.clone());
    }
    of(&objects, trailer)
}

/// The content of a page of lines from the top, in twelve points.
pub fn lines(lines: &[&str]) -> Vec<u8> {
    on(&[], lines)
}

/// The same on paper of a colour: red, green and blue, 0 to 1.
pub fn tinted(colour: [f32; 3], lines: &[&str]) -> Vec<u8> {
    on(&colour, lines)
}

fn on(colour: &[f32], lines: &[&str]) -> Vec<u8> {
    let mut content = match colour {
        [red, green, blue] => format!("{red} {green} {blue} rg 0 0 600 800 re f 0 g\n"),
        _ => String::new(),
    };
    content += "BT /F 12 Tf 14 TL 72 720 Td\n";
    lines.iter().for_each(|line| content += &format!("({line}) Tj T*\n"));
    stream("", (content + "ET").as_bytes())
}
