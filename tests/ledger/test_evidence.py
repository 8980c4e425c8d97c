from gare.ledger.evidence import write_bundle
from gare.ledger.verify import verify_bundle

def test_x(ledger, story, store, tmp_path):
    release = story.tell(ledger, store, tmp_path)
    w = write_bundle(ledger, store, release.id, tmp_path / "e.zip")
    print(w)
    r = verify_bundle(tmp_path / "e.zip")
    print(r)
    assert not r.problems
    (tmp_path/"e.zip").rename("/tmp/h/e.zip")
