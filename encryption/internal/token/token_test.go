package token

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/encryption/internal/cryptdata"
)

func TestVectors(t *testing.T) {
	for _, file := range []string{"mc.json", "server.json"} {
		var v map[string]any
		cryptdata.JSON(t, &v, "tokens", file)
		bytesOf := func(name string) []byte {
			s, _ := v[name].(string)
			b, err := hex.DecodeString(s)
			if err != nil || len(b) != 32 {
				t.Fatalf("%s: %s is %v", file, name, v[name])
			}
			return b
		}
		root := bytesOf("root")
		l := Derive(root)
		set := l.Of(bytesOf("value"))
		factor, _ := v["contentionFactor"].(float64)
		stored := set.WithContention(int64(factor))
		got := map[string]Token{
			"EDCToken": l.EDC, "ESCToken": l.ESC, "ECOCToken": l.ECOC,
			"ServerTokenDerivationLevel1Token": l.ServerDerivation, "serverDataEncryptionLevel1Token": l.ServerEncryption,
			"EDCDerivedFromDataToken": set.EDC, "ESCDerivedFromDataToken": set.ESC, "serverDerivedFromDataToken": set.Server,
			"EDCDerivedFromDataTokenAndContentionFactor": stored.EDC, "ESCDerivedFromDataTokenAndContentionFactor": stored.ESC,
			"AnchorPaddingTokenRoot": AnchorPadding(root),
		}
		for name, token := range got {
			want, _ := v[name].(string)
			if hex.EncodeToString(token[:]) != strings.ToLower(want) {
				t.Errorf("%s: %s is %x, want %s", file, name, token, want)
			}
		}
		if ECOC(root) != l.ECOC || ServerEncryption(root) != l.ServerEncryption {
			t.Error("the short ways derive something else")
		}
		texts := map[string]TextKind{"Exact": TextExact, "Substring": TextSubstring, "Suffix": TextSuffix, "Prefix": TextPrefix}
		for name, kind := range texts {
			text := l.Text(kind)
			set := text.Of(bytesOf("value"))
			stored := set.WithContention(int64(factor))
			for key, token := range map[string]Token{
				"EDCText" + name + "Token": text.EDC, "ESCText" + name + "Token": text.ESC, "ServerText" + name + "Token": text.ServerDerivation,
				"EDCText" + name + "DerivedFromDataToken": set.EDC, "ESCText" + name + "DerivedFromDataToken": set.ESC,
				"ServerText" + name + "DerivedFromDataToken":                      set.Server,
				"EDCText" + name + "DerivedFromDataTokenAndContentionFactorToken": stored.EDC,
				"ESCText" + name + "DerivedFromDataTokenAndContentionFactorToken": stored.ESC,
			} {
				if want, _ := v[key].(string); hex.EncodeToString(token[:]) != strings.ToLower(want) {
					t.Errorf("%s: %s is %x, want %s", file, key, token, want)
				}
			}
		}
	}
}
