#pragma once
// OpenSSL 3: the EVP interface for AES, digests, HKDF, X25519 and scrypt, constant-time comparison, error state.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// HKDF with SHA-256 (RFC 5869). `mode` is EVP_KDF_HKDF_MODE_…: both steps, or one of them. 1 on success.
//
// In C because OSSL_PARAM keeps pointers to the names and values it is made of, and Swift lends a string or
// an array to C for one call only.
static inline int secretfs_hkdf_sha256(
    EVP_KDF *kdf, int mode, const void *key, size_t key_count, const void *salt, size_t salt_count,
    const void *info, size_t info_count, void *out, size_t out_count)
{
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    if (context == NULL) return 0;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_count),
        OSSL_PARAM_construct_end(),
    };
    int status = EVP_KDF_derive(context, (unsigned char *)out, out_count, parameters);
    EVP_KDF_CTX_free(context);
    return status == 1;
}

// An HMAC-SHA256 under `key`, for many messages; NULL if there is none to be had. For the audit log, whose lines
// are each authenticated: EVP_MAC_init without a key goes on with the same one.
static inline EVP_MAC_CTX *secretfs_hmac_sha256(const void *key, size_t key_count)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac == NULL) return NULL;
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac); // the context holds its own reference
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    if (context != NULL && EVP_MAC_init(context, (const unsigned char *)key, key_count, parameters) != 1) {
        EVP_MAC_CTX_free(context);
        return NULL;
    }
    return context;
}
