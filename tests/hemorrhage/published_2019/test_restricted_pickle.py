from __future__ import annotations

import base64
import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.hemorrhage.published_2019 import restricted_pickle
from hounsfield.hemorrhage.published_2019.restricted_pickle import Inert, frame_column, read_inert

# A loader over a data set with a table of columns Image, any, PatientID: what pandas 0.25.3 wrote in protocol 2 (as
# torch did in 2019), and pandas 2.2.3 in protocol 4. Rows ID_b, ID_c, ID_a, ID_d, less the second.
LOADERS = {
    "pandas 0.25": (
        r"c-nPTXOq(~5KTGYFunKQObZ+waP$^RFa!|Ilwf2>oD8;-XUo7bcm_V)-SDenEjvRQ@CWZo-uJZocCD|C!1H1rD$ldpT=TmF-WQ35+QDzA=V;ij"
        r"Rjbu}t^?_%;b(!SGv+R$tv&^(LSyU~zN2))gM_P)NA2>ng#|>kFvlWytO8*?7;@F;X)72cqV+c6u`oy9G#(Zcz{;`2b{7!BGmxc!KtiQOqIi_H"
        r"Vy^hKNK)%sGzi|`D_0hl5yf)5hZXi;xW4!#(w0w|S)LLfy-u-XVdekBs)$uNR@-tsP+2^jDZ}C{(jiY0K4W=_2nH(ENfuDWYsx5#7|mC#b!xL%"
        r"7kI&-FM`w(s&Fi<ck6|;*x)WC8*v?~32dChCWg)P*ut>YcIr-Z7TYSqzMdHpZoAu{`1@1X;nbY^Ja#hdvYn=3`-0uwZuia)dd$nYtg*-c-oxHf"
        r"&Q44UVV~P1pQ{<{cNdfQfX)_5ciK2W9kqSaD@EPF!EQE(Lkx%Izcr%7L=px?>rYQsS{=!8l(dp-q$#{5shVR9$E#{4WLZEsg%f1~CmAM31zf<X"
        r"KMSa7oc6!V_3p;nucuMjW@T|kl5kTDXEo0G(qw&};ezPlqCHCFQjy4IhATxPl*$~g%E=LPy<+;?;#$FcouRF9!yi%IEU0cV+%BjZ1yx7xB9-sh"
        r"M!HVh^WltKj=Lkbk9(%dA-cvUxNj`*fP{bOQ@+fWD<zHFqu(TaTpag=;i<`d7SGIKuH4Txo>%3*V0c*~U;T#c70A~No=J2TZw!*#a-S?(?N{J{"
        r"p)Ya>Gl|Dr6O*k8yv;FPmcyyjkaC6j>KA`nim-=wc8>S9+5EtxjA9~r#T}<*Je_zHmLjIh!OueaQHuK^jlzKDR~gNy?*oQmmIJno<ZT&CMdL8$"
        r"H0F^oq?yQ44PDNnN0X1t%xZBTm^%X>%-V~E=H`<4*u$sHPyNhq{RCDpcj5"
    ),
    "pandas 2.2": (
        r"c-nnZTWi!n6izl-dr=S(Y*Ew~!TOSC1wpWjuuWaXw?35NOfuaGO=i=X33Ww5A6#3Qw;q45o|)`wTfqsL>$!aAeBamf=Rp#M;no>zpi+#X+Z=&~"
        r"{TY-(;{`tZhF@^UZE~=MWTyHgFi+iDNj64Ul##nTR#royK~+$XmiJ3XmwH2VcUn*-n5>v-ksWDh1iB4x`zGxFq)Ayb)#x5wHm{TwT0w2H1{6$%"
        r"Ht24>u4l#Z+x|@M?%vXa)fG2?UC`ZToocJ%xE73ipJ1%Irk!Ujgm1dqR-iS^DJ;{Xm?>j*SNIy-Fj%5nqu{~h0`urQ?#3K{;0N5vWBQT>$_H*("
        r"+Ij0saf9kPo}cyaiHl$2WHQ<NMI%gkWRaimZpVG+qw6cuvs>p~MX(eVFf?^l__&m5kjFl3KJc^LlK1694@W*;ff)oaPu$?$6$qcNL3rgM9QuBb"
        r"M~q`wpkGRKaZ5k35T771$z_&DdD`df=LLG-?W-h};-fGbC-zA~Oo>xA_ICta?z!P=PbABm|Kd*Q@FE}@jvL|>T>^^wzVRMxC6pbH0u+}jFPBNT"
        r"@b&M@$$!E<r5-O^8V#0fa;eAipbsPbM8YHXD4&<>N}sF|7J_~ci3YHilt+@j!H#N}hV2&A_3YHJvTKPXu!7aV1<CHrblmWcXTJfTVnp!"
    ),
}
IMAGES = ["ID_b", "ID_a", "ID_d"]
PATHS = ["os.system", "builtins.exec", "builtins.eval", "subprocess.Popen", "torch.load", "numpy.load", "pickle.loads"]


def loader_bytes(made_by: str) -> bytes:
    return zlib.decompress(base64.b85decode(LOADERS[made_by]))


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "loader_trn_size480_fold1_ep0"
    path.write_bytes(content)
    return path


def images_of(path: Path) -> list[str]:
    return frame_column(read_inert(path).state["dataset"].state["data"], "Image")


def as_plain(content: bytes) -> bytes:
    return content


def as_torch_of_2019(content: bytes) -> bytes:
    """torch.save before 1.6: magic number, version, facts of the system, the object, then the keys of its tensors."""
    before = [pickle.dumps(value, 2) for value in (restricted_pickle.TORCH_MAGIC, 1001, {"little_endian": True})]
    return b"".join([*before, content, pickle.dumps([], 2)])


def as_torch_zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("loader/data.pkl", content)
        archive.writestr("loader/version", "3")
    return stream.getvalue()


FORMS = [as_plain, as_torch_of_2019, as_torch_zip]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("made_by", LOADERS)
def test_row_order_is_read_from_a_pickled_loader(tmp_path: Path, made_by: str, form: Callable[[bytes], bytes]) -> None:
    assert images_of(write(tmp_path, form(loader_bytes(made_by)))) == IMAGES


@pytest.mark.parametrize("legacy", [True, False])
def test_what_torch_saves_today_is_read_and_its_tensors_stay_inert(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "state"
    state = {"weights": torch.ones(3), "names": ["a", "b"], "ordered": collections.OrderedDict(x=1)}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    read = read_inert(path)
    assert read["names"] == ["a", "b"]
    assert isinstance(read["weights"], Inert) and read["weights"].name == "torch._utils._rebuild_tensor_v2"
    assert read["ordered"].items == [("x", 1)]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back_as_they_were(tmp_path: Path, protocol: int) -> None:
    values = [None, True, 3, 2**70, -1.5, "text", (1, 2), {"a": [1]}]
    assert read_inert(write(tmp_path, pickle.dumps(values, protocol))) == values


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_bytes_and_sets_come_back_or_stay_inert(tmp_path: Path, protocol: int) -> None:
    raw, some, array = read_inert(write(tmp_path, pickle.dumps((b"\x00\xff", {1}, np.arange(2)), protocol)))
    assert raw == b"\x00\xff"
    assert some == {1} or some.args == ([1],)
    assert isinstance(array, Inert)


class Attack:
    """Reduces to any call."""

    def __init__(self, called: Any, *arguments: Any) -> None:
        self.call = (called, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickle_that_would_run_a_command_runs_nothing(
    tmp_path: Path, form: Callable[[bytes], bytes], protocol: int
) -> None:
    touched = tmp_path / "touched"
    attack = {
        "system": Attack(os.system, f"touch {touched}"),
        "exec": Attack(exec, f"open({str(touched)!r}, 'w')"),
        "open": Attack(open, str(touched), "w"),
        "nested": [Attack(map, os.remove, [str(touched)])],
    }
    path = write(tmp_path, form(pickle.dumps(attack, protocol)))
    read = read_inert(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name]
    assert read["system"].args == (f"touch {touched}",)
    assert all(isinstance(read[name], Inert) for name in ("system", "exec", "open"))


@pytest.mark.parametrize("name", PATHS)
def test_no_module_is_imported(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("bait")
    module.__getattr__ = lambda attribute: pytest.fail(f"looked up {attribute}")  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "bait", module)
    for where, what in (name.rsplit(".", 1), ("bait", "thing"), ("never_there", "x.y")):
        content = b"c" + where.encode() + b"\n" + what.encode() + b"\n(S'x'\ntR."
        assert read_inert(write(tmp_path, content)).name == f"{where}.{what}"
    assert "never_there" not in sys.modules


OPERATIONS = {
    "a call of text": b"S'x'\n(tR.",
    "a call of a list": b"](tR.",
    "an object of text": b"(S'x'\nI1\no.",
    "a state for a list": b"](tb.",
    "a state for text": b"S'x'\n}b.",
    "an extension": b"\x82\x01.",
    "a buffer from outside": b"\x97.",
    "bytes that are encoded otherwise": b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR(tR(tRb.",
    "an append to text": b"S'x'\nI1\na.",
    "an unhashable key": b"}]I1\ns.",
    "no end": b"I1\n",
    "nothing": b"",
    "rubbish": b"\x89PNG\r\n",
}


@pytest.mark.parametrize("steps", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_steps_that_make_no_sense_are_an_error_naming_the_file(tmp_path: Path, steps: bytes) -> None:
    with pytest.raises(BadInput, match="loader_trn_size480_fold1_ep0 is no readable pickle"):
        read_inert(write(tmp_path, steps))


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="nowhere is missing"):
        read_inert(tmp_path / "nowhere")


def test_few_bytes_that_claim_much_memory_take_none(tmp_path: Path) -> None:
    claims = {
        "a memo of four thousand million places": b"\x80\x04Nr" + struct.pack("<I", 2**32 - 1) + b".",
        "a byte array": b"\x80\x05\x96" + struct.pack("<Q", 2**44) + b"x.",
        "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**44) + b"x.",
        "text": b"\x80\x04\x8d" + struct.pack("<Q", 2**44) + b"x.",
        "a frame": b"\x80\x04\x95" + struct.pack("<Q", 2**44) + b"N.",
    }
    before = max_resident_bytes()
    for content in claims.values():
        with suppress(BadInput):
            read_inert(write(tmp_path, content))
    assert max_resident_bytes() - before < 100 * 2**20


def max_resident_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_pickle_above_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted_pickle, "MAX_BYTES", 1000)
    content = pickle.dumps("x" * 100_000)
    for form in (as_plain, lambda inner: compressed(as_torch_zip(inner))):
        with pytest.raises(BadInput, match="is larger than 1000 bytes"):
            read_inert(write(tmp_path, form(content)))


def compressed(archive: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return stream.getvalue()


def test_table_without_the_column_or_with_other_than_texts_is_an_error(tmp_path: Path) -> None:
    frame = read_inert(write(tmp_path, loader_bytes("pandas 0.25"))).state["dataset"].state["data"]
    assert frame_column(frame, "PatientID") == ["p", "r", "q"]
    with pytest.raises(BadInput, match=r"has no column image; it has \['Image', 'any', 'PatientID'\]"):
        frame_column(frame, "image")
    with pytest.raises(BadInput, match="the column any of a pickled table is not plain text"):
        frame_column(frame, "any")
    for other in (None, [1], {"a": 1}, Inert("pandas.core.frame.DataFrame"), Inert("x.Y", state={"_data": Inert("z")})):
        with pytest.raises(BadInput, match="no pickled table of a pandas version that is known"):
            frame_column(other, "Image")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    made_by=st.sampled_from(sorted(LOADERS)),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    length=st.integers(0, 10_000),
)
def test_damaged_loaders_end_in_an_error_or_in_texts(
    tmp_path: Path, made_by: str, changes: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(loader_bytes(made_by))
    for place, value in changes:
        content[place % len(content)] = value
    with suppress(BadInput):
        loader = read_inert(write(tmp_path, bytes(content[: max(length, 1)])))
        if isinstance(loader, Inert) and isinstance(loader.state, dict):
            dataset = loader.state.get("dataset")
            if isinstance(dataset, Inert) and isinstance(dataset.state, dict):
                assert all(isinstance(text, str) for text in frame_column(dataset.state.get("data"), "Image"))
