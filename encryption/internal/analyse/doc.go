// Package analyse finds the values of a command that have to be encrypted, by what is known of the collections that it
// names: a JSON schema with the keyword encrypt (client-side field level encryption) or encryptedFields (Queryable
// Encryption). It does what query analysis (mongocryptd, crypt_shared) does, whose documented rules it keeps to, with
// the same words in its errors where users may know them.
//
// What cannot be proven to send no value of an encrypted field in the clear is refused: commands, fields of commands,
// operators and stages that are not known are errors as soon as an encrypted collection is concerned.
//
// A Schema is a tree of Nodes. Analysis walks over the command's documents along with the tree, and copies them into a
// marked copy, in which placeholders stand for the values to encrypt; at last all placeholders of a command are
// encrypted together and put in place.
package analyse
