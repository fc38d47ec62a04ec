package mgx

import (
	"context"

	"github.com/mgxdb/mgx/bson"
)

// Encryption encrypts and decrypts for clients, behind Options.Encryption. What it does
// with which collections is its own business: see the module
// github.com/mgxdb/mgx/encryption.
type Encryption interface {
	// Attach is called once for each client that is made with the options, of which it
	// gets a copy, and returns what the client's commands and replies go through. It
	// must not run commands: nobody waits for a server yet.
	Attach(client *Client, options *Options) (CommandCipher, error)
}

// CommandCipher is what the commands and replies of one client go through. It is safe
// for concurrent use.
//
// It sees a command before a connection is taken for it and before its events, so that
// it may run commands of its own, of the same client too; whoever observes commands
// sees what is sent. All attempts of a retried command send the same bytes. Errors end
// the operation with an ErrEncryption, before anything is sent.
type CommandCipher interface {
	// Encrypts reports whether commands of this name go through Encrypt. All others are
	// sent as they are.
	Encrypts(command string) bool
	// Encrypt returns a command as it is to be sent: one document, the name of the
	// command first, with arrays where mgx sends document sequences, and without what
	// every command carries ($db, lsid, …), which is added behind it. command is valid
	// until the call returns; it may be the result. The context has the operation's
	// deadline, and its session, which commands of the cipher's own stay out of with
	// WithoutSession.
	//
	// Writes are split into commands of at most 2 MiB, or of a single write.
	Encrypt(ctx context.Context, database string, command bson.Raw) (bson.Raw, error)
	// Decrypt returns a reply as it is to be read: reply itself, where nothing is
	// encrypted. reply is valid until the call returns.
	Decrypt(ctx context.Context, reply bson.Raw) (bson.Raw, error)
	// EncryptedFields returns the encryptedFields that the user has given for a
	// collection, which CreateCollection and Drop go by; nil: none.
	EncryptedFields(database, collection string) bson.Raw
	// Disconnect and Close end what it holds, as those of the client do.
	Disconnect(ctx context.Context) error
	Close(ctx context.Context) error
}

// attachEncryption makes commands and replies go through the options' encryption.
func (c *Client) attachEncryption(options *Options) error {
	e := c.options.Encryption
	if e == nil {
		return nil
	}
	copied := options.clone() // as they were given: another client can be made of them
	cipher, err := e.Attach(c, &copied)
	if err != nil {
		return category(err, ErrConfiguration)
	}
	if cipher == nil {
		return nil
	}
	c.cipher = cipher
	c.exec.Cipher = execCipher{cipher}
	return nil
}

// execCipher is a cipher as the executor knows it.
type execCipher struct{ CommandCipher }

func (c execCipher) Encrypt(ctx context.Context, database string, command []byte) ([]byte, error) {
	return c.CommandCipher.Encrypt(ctx, database, command)
}

func (c execCipher) Decrypt(ctx context.Context, reply []byte) ([]byte, error) {
	return c.CommandCipher.Decrypt(ctx, reply)
}

// shutCipher ends what the encryption holds.
func (c *Client) shutCipher(ctx context.Context, to clientState) error {
	switch {
	case c.cipher == nil:
		return nil
	case to == clientClosed:
		return c.cipher.Close(ctx)
	default:
		return c.cipher.Disconnect(ctx)
	}
}
