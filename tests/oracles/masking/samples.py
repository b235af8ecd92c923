"""Samples that the oracle must know: of the standards, and of docs/masks.md."""

import unittest

import detectors
import jsonspans
import known
import paths
import strategies
from masker import Guard, Program, Rule, Seen

KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94")


class Samples(unittest.TestCase):
    def test_aes_equals_the_sample_of_fips_197(self):
        block = strategies.Aes(bytes(range(16))).block(bytes.fromhex("00112233445566778899aabbccddeeff"))
        self.assertEqual(block.hex(), "69c4e0d86a7b0430d8cdb78070b4c55a")

    def test_ff1_equals_the_samples_of_nist(self):
        shown = lambda key, tweak: "".join(map(str, strategies.ff1(strategies.Aes(key), list(range(10)), tweak)))
        self.assertEqual(shown(KEY[:16], b""), "2433477484")
        self.assertEqual(shown(KEY, b"9876543210"), "1001623463")

    def test_only_one_form_of_base64_is_read(self):
        for text, expected in [(b"YQ==", b"a"), (b"YR==", None), (b"YQ", None), (b"Y Q==", None), (b"", b"")]:
            self.assertEqual(strategies.decode_base64(text), expected, text)

    def test_json_is_read_strictly(self):
        for text in [b"{}", b" [1, -0.5e+3, 1e400] ", b'{"a":{"b":[null,true,false]}}', b'"\\ud800"', b"[" * 512 + b"]" * 512]:
            self.assertEqual(len(jsonspans.documents(text)), 1, text)
        for text in [b"", b"{,}", b"[1,]", b"01", b"1.", b'"\t"', b"{}{}", b"nul", b"\xff", b'{"a" 1}', b"[" * 513 + b"]" * 513]:
            self.assertRaises(jsonspans.NotJson, jsonspans.documents, text)

    def test_texts_are_read_and_written(self):
        self.assertEqual(jsonspans.unescape(rb"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"), "a\"\\/\b\f\n\r\té😀".encode())
        self.assertEqual(jsonspans.unescape(rb"\ud83dx"), b"\xed\xa0\xbdx")
        self.assertEqual(jsonspans.quote("a\"\\\n\x01<é".encode()), '"a\\"\\\\\\n\\u0001<é"'.encode())

    def test_paths_are_read_and_shown(self):
        for text in ["$", "data.*", "a[*].b", "a[name=x]['y.z'].**", "['it\\'s']", "**.x", "a['']"]:
            self.assertEqual(paths.show(paths.parse(text)), text)
        for text in ["", "a..b", "a b", "**.**", ".a"]:
            self.assertRaises((paths.BadPath, IndexError), paths.parse, text)

    def masked(self, text, *lines):
        rules = [Rule("m", paths.parse(path), word, keep=3) for path, word in lines]
        return Program(rules).mask(text.encode(), Seen()).decode()

    def test_values_are_replaced_by_their_type(self):
        text = '{ "a" : "x", "b":1.50 ,"c":true,"d":null,"e":[1],"f":{"g":2},"h":"stays"}'
        expected = '{ "a" : "countersign-masked:m", "b":0 ,"c":false,"d":null,"e":[],"f":{},"h":"stays"}'
        self.assertEqual(self.masked(text, *[(name, "redact") for name in "abcdef"]), expected)

    def test_what_is_dropped_takes_one_comma(self):
        for text, expected in [
            ('{"a":1,"b":2,"c":3}', '{"b":2}'),
            ('{ "a" : 1 , "b" : 2 }', '{   "b" : 2 }'),
            ('{"a":1,"c":3}', "{}"),
            ('{"b":2,\n "a":1\n}', '{"b":2\n}'),
        ]:
            self.assertEqual(self.masked(text, ("a", "drop"), ("c", "drop")), expected)

    def test_an_element_is_meant_until_its_member_was_read(self):
        text = '[{"v":"1","name":"x","w":"2"},{"v":"3","name":"y","w":"4"},{"name":"y","name":"x","w":"5"}]'
        expected = '[{"name":"x"},{"name":"y","w":"4"},{"name":"y","name":"x"}]'
        self.assertEqual(self.masked(text, ("[name=x].v", "drop"), ("[name=x].w", "drop")), expected)

    def test_repeated_and_escaped_names_are_all_masked(self):
        text = '{"p\\u0077":"a","pw":"b","x":{"pw":3}}'
        self.assertEqual(self.masked(text, ("**.pw", "redact")).count("countersign-masked"), 2)

    def test_detectors_find_what_they_say(self):
        for word, text, found in [
            ("card", b"pay 4111 1111 1111 1111 now", b"4111 1111 1111 1111"),
            ("card", b"4111 1111 1111 1112", None),
            ("iban", b"to DE89370400440532013000.", b"DE89370400440532013000"),
            ("card", b"4111111111111111 12/29", b"4111111111111111"),
            ("card", b"no 12 4111 1111 1111 1111", b"4111 1111 1111 1111"),
            ("card", b"1 2 4111-1111-1111-1111", b"4111-1111-1111-1111"),
            ("card", b"4111 1111 1111 1112 123", None),
            ("iban", b"DE89370400440532013000 EUR 100", b"DE89370400440532013000"),
            ("iban", b"AB12 DE89 3704 0044 0532 0130 00", b"DE89 3704 0044 0532 0130 00"),
            ("iban", b"GB82 WEST 1234 5698 7654 32 AND", b"GB82 WEST 1234 5698 7654 32"),
            ("email", b"<ada@corp.example.org>", b"ada@corp.example.org"),
            ("aws-key", b"xAKIAABCDEFGHIJKLMNOP", None),
            ("pem", b"a-----BEGIN EC PRIVATE KEY-----\nx", b"-----BEGIN EC PRIVATE KEY-----\nx"),
        ]:
            spans = list(detectors.spans(detectors.compiled(word), text))
            self.assertEqual([text[start:end] for start, end in spans], [found] if found else [], text)

    def test_detectors_that_meet_leave_one_marker(self):
        guard = lambda mask, word: Guard(mask, None, [detectors.compiled(word)])
        program = Program([], [guard("b", "(re)x+"), guard("a", "(re)xy")])
        self.assertEqual(program.mask(b'"-xxy-x"', Seen()), b'"-countersign-masked:b-countersign-masked:b"')

    def test_managed_fields_show_what_they_say(self):
        for kind, path, expected in [
            ("secrets", "data.*", False),
            ("configmaps", "data", False),
            ("pods", "spec.containers[*].env[*].value", False),
            ("pods", "spec.containers[*].env[*].name", True),
            ("pods", "spec.containers[*].args[*]", True),
            ("pods", "metadata.finalizers[*]", True),
            ("pods", "status.x", True),
            ("widgets.example.org", "spec.x", True),
            ("widgets.example.org", "metadata.labels.x", False),
        ]:
            self.assertEqual(known.managers_may_show(kind, paths.parse(path)), expected, (kind, path))


if __name__ == "__main__":
    unittest.main()
