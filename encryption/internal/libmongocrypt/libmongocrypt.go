//go:build libmongocrypt

package libmongocrypt

/*
#cgo pkg-config: libmongocrypt
#include <mongocrypt/mongocrypt.h>
#include <stdlib.h>
#include <string.h>

static mongocrypt_t *open_crypt(void *key, uint32_t n) {
	mongocrypt_t *c = mongocrypt_new();
	mongocrypt_binary_t *b = mongocrypt_binary_new_from_data(key, n);
	bool ok = mongocrypt_setopt_kms_provider_local(c, b) && mongocrypt_init(c);
	mongocrypt_binary_destroy(b);
	if (!ok) {
		mongocrypt_destroy(c);
		return NULL;
	}
	return c;
}

// run goes through the states of a context, feeding it with one document of the key vault, and copies what comes out.
static int run(mongocrypt_ctx_t *ctx, void *doc, uint32_t ndoc, void **out, uint32_t *nout, char *message, size_t nmessage) {
	int result = -1;
	mongocrypt_binary_t *b = NULL;
	for (;;) {
		switch (mongocrypt_ctx_state(ctx)) {
		case MONGOCRYPT_CTX_NEED_MONGO_KEYS:
			b = mongocrypt_binary_new_from_data(doc, ndoc);
			if (!mongocrypt_ctx_mongo_feed(ctx, b) || !mongocrypt_ctx_mongo_done(ctx)) {
				goto fail;
			}
			mongocrypt_binary_destroy(b);
			b = NULL;
			break;
		case MONGOCRYPT_CTX_READY:
			b = mongocrypt_binary_new();
			if (!mongocrypt_ctx_finalize(ctx, b)) {
				goto fail;
			}
			*nout = mongocrypt_binary_len(b);
			*out = malloc(*nout);
			memcpy(*out, mongocrypt_binary_data(b), *nout);
			result = 0;
			goto done;
		default:
			goto fail;
		}
	}
fail:;
	mongocrypt_status_t *s = mongocrypt_status_new();
	mongocrypt_ctx_status(ctx, s);
	const char *text = mongocrypt_status_message(s, NULL);
	strncpy(message, text ? text : "unexpected state", nmessage - 1);
	mongocrypt_status_destroy(s);
done:
	if (b) {
		mongocrypt_binary_destroy(b);
	}
	mongocrypt_ctx_destroy(ctx);
	return result;
}

static int encrypt(mongocrypt_t *c, void *id, const char *algorithm, int64_t contention, void *msg, uint32_t nmsg,
                   void *doc, uint32_t ndoc, void **out, uint32_t *nout, char *message, size_t nmessage) {
	mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(c);
	mongocrypt_binary_t *k = mongocrypt_binary_new_from_data(id, 16), *m = mongocrypt_binary_new_from_data(msg, nmsg);
	bool ok = mongocrypt_ctx_setopt_key_id(ctx, k) && mongocrypt_ctx_setopt_algorithm(ctx, algorithm, -1);
	if (ok && contention >= 0) {
		ok = mongocrypt_ctx_setopt_contention_factor(ctx, contention);
	}
	if (ok) {
		mongocrypt_ctx_explicit_encrypt_init(ctx, m);
	}
	mongocrypt_binary_destroy(k);
	int r = run(ctx, doc, ndoc, out, nout, message, nmessage);
	mongocrypt_binary_destroy(m);
	return r;
}

static int decrypt(mongocrypt_t *c, void *msg, uint32_t nmsg, void *doc, uint32_t ndoc, void **out, uint32_t *nout, char *message, size_t nmessage) {
	mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(c);
	mongocrypt_binary_t *m = mongocrypt_binary_new_from_data(msg, nmsg);
	mongocrypt_ctx_decrypt_init(ctx, m);
	int r = run(ctx, doc, ndoc, out, nout, message, nmessage);
	mongocrypt_binary_destroy(m);
	return r;
}

static int datakey(mongocrypt_t *c, void *kek, uint32_t nkek, void **out, uint32_t *nout, char *message, size_t nmessage) {
	mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(c);
	mongocrypt_binary_t *k = mongocrypt_binary_new_from_data(kek, nkek);
	mongocrypt_ctx_setopt_key_encryption_key(ctx, k);
	mongocrypt_ctx_datakey_init(ctx);
	mongocrypt_binary_destroy(k);
	return run(ctx, NULL, 0, out, nout, message, nmessage);
}
*/
import "C"

import (
	"errors"
	"unsafe"

	"github.com/mgxdb/mgx/bson"
)

// A Crypt is the library with a local master key.
type Crypt struct{ c *C.mongocrypt_t }

// Version is the library's.
func Version() string { return C.GoString(C.mongocrypt_version(nil)) }

// New makes one.
func New(master []byte) (*Crypt, error) {
	c := C.open_crypt(unsafe.Pointer(&master[0]), C.uint32_t(len(master)))
	if c == nil {
		return nil, errors.New("libmongocrypt refuses its options")
	}
	return &Crypt{c}, nil
}

// Close ends it.
func (c *Crypt) Close() { C.mongocrypt_destroy(c.c) }

// result takes what a call returned.
func result(code C.int, out unsafe.Pointer, n C.uint32_t, message []byte) (bson.Raw, error) {
	if code != 0 {
		return nil, errors.New(C.GoString((*C.char)(unsafe.Pointer(&message[0]))))
	}
	defer C.free(out)
	return C.GoBytes(out, C.int(n)), nil
}

const messageSize = 500

// Encrypt encrypts the value of {v: …}; contention below 0 is none.
func (c *Crypt) Encrypt(value bson.Raw, key [16]byte, document bson.Raw, algorithm string, contention int64) (bson.Raw, error) {
	var out unsafe.Pointer
	var n C.uint32_t
	message := make([]byte, messageSize)
	name := C.CString(algorithm)
	defer C.free(unsafe.Pointer(name))
	code := C.encrypt(c.c, unsafe.Pointer(&key[0]), name, C.int64_t(contention), unsafe.Pointer(&value[0]), C.uint32_t(len(value)),
		unsafe.Pointer(&document[0]), C.uint32_t(len(document)), &out, &n, (*C.char)(unsafe.Pointer(&message[0])), messageSize)
	return result(code, out, n, message)
}

// Decrypt decrypts all values in a document.
func (c *Crypt) Decrypt(doc, document bson.Raw) (bson.Raw, error) {
	var out unsafe.Pointer
	var n C.uint32_t
	message := make([]byte, messageSize)
	code := C.decrypt(c.c, unsafe.Pointer(&doc[0]), C.uint32_t(len(doc)), unsafe.Pointer(&document[0]), C.uint32_t(len(document)), &out, &n,
		(*C.char)(unsafe.Pointer(&message[0])), messageSize)
	return result(code, out, n, message)
}

// DataKey makes the document of a new data key.
func (c *Crypt) DataKey() (bson.Raw, error) {
	master, err := bson.Marshal(bson.D{{Key: "provider", Value: "local"}})
	if err != nil {
		return nil, err
	}
	var out unsafe.Pointer
	var n C.uint32_t
	message := make([]byte, messageSize)
	code := C.datakey(c.c, unsafe.Pointer(&master[0]), C.uint32_t(len(master)), &out, &n, (*C.char)(unsafe.Pointer(&message[0])), messageSize)
	return result(code, out, n, message)
}
