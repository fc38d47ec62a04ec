package migrate

const noEncryption = "package mongo of mgx has no encryption"

// missing are the official package's symbols that mgx's package does not have.
var missing = map[string]string{
	"BatchCursorFromCursor":   "it returns one of the official driver's internals",
	"ClientEncryption":        noEncryption,
	"EncryptionKeyVaultError": noEncryption,
	"MongocryptError":         noEncryption,
	"MongocryptdError":        noEncryption,
	"NewClientEncryption":     noEncryption,
	"RewrapManyDataKeyResult": noEncryption,
}

// missingMethods are those of Cursor.
var missingMethods = map[string]bool{"SetComment": true, "SetMaxAwaitTime": true}

var opensCursor = map[string]bool{
	"Aggregate": true, "Find": true, "List": true, "ListCollections": true, "RunCommandCursor": true,
}

// refused are the setters of options that the package refuses.
var refused = map[string]string{
	"SetAutoEncryptionOptions": noEncryption,
	"SetCustom":                "mgx sends no fields that it does not know",
	"SetCustomPipeline":        "mgx sends no fields that it does not know",
	"SetEncryptedFields":       noEncryption,
	"SetHTTPClient":            "mgx has HTTP clients of its own",
	"SetOplogReplay":           "servers ignore it since version 4.4",
	"WithHedgeEnabled":         "servers have no hedged reads since version 8.0",
}
