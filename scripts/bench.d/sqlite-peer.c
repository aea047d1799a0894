// Bare SQLite as the peer of our store: the same durability, no sealing, no revisions. Two measurements, a
// JSON line each: rows inserted one at a time, each durable, or (with 0 of those) 10,000 rows in one transaction.
// Each row is as large as a secret: a key and 200 bytes, about 250 in all.
//
//   cc -O2 -Wall -Wextra -Werror -o sqlite-peer scripts/bench.d/sqlite-peer.c -lsqlite3
//   ./sqlite-peer DIRECTORY [ROWS ONE AT A TIME]        DIRECTORY must not have a peer.db
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { VALUE_BYTES = 200, BULK_ROWS = 10000, DEFAULT_SINGLE_ROWS = 1000 };

static void check(sqlite3 *database, int code, const char *what) {
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    fprintf(stderr, "sqlite-peer: %s: %s\n", what, database ? sqlite3_errmsg(database) : sqlite3_errstr(code));
    exit(1);
}

static void run(sqlite3 *database, const char *sql) {
    check(database, sqlite3_exec(database, sql, NULL, NULL, NULL), sql);
}

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void insert(sqlite3 *database, sqlite3_stmt *statement, const char *group, int number) {
    static unsigned char value[VALUE_BYTES];
    for (int index = 0; index < VALUE_BYTES; index++) value[index] = (unsigned char)(number * 31 + index * 7);
    char key[64];
    int count = snprintf(key, sizeof key, "secret/nlp/%s%04d/SECRET_NAME_%06d", group, number / 20, number);
    check(database, sqlite3_bind_blob(statement, 1, key, count, SQLITE_STATIC), "bind key");
    check(database, sqlite3_bind_blob(statement, 2, value, VALUE_BYTES, SQLITE_STATIC), "bind value");
    check(database, sqlite3_step(statement), "insert");
    check(database, sqlite3_reset(statement), "reset");
}

static void report(const char *name, int rows, double elapsed) {
    printf("{\"peer\": \"sqlite\", \"measurement\": \"%s\", \"rows\": %d, \"seconds\": %.6f, \"rows_per_second\": %.1f}\n",
           name, rows, elapsed, rows / elapsed);
}

int main(int argc, char **argv) {
    int single_rows = argc > 2 ? atoi(argv[2]) : DEFAULT_SINGLE_ROWS;
    if (argc < 2 || single_rows < 0) {
        fprintf(stderr, "usage: sqlite-peer DIRECTORY [ROWS]\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/peer.db", argv[1]);
    // A file that exists would make the numbers those of another table.
    int descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        perror(path);
        return 1;
    }
    close(descriptor);

    sqlite3 *database = NULL;
    check(NULL, sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), path);
    // The settings of our store (Sources/Store/Storage/SQLiteConnection.swift).
    run(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                  "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -16384;"
                  "CREATE TABLE secret(key BLOB NOT NULL UNIQUE, value BLOB NOT NULL) STRICT;");
    sqlite3_stmt *statement = NULL;
    check(database,
          sqlite3_prepare_v3(database, "INSERT INTO secret VALUES (?, ?)", -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL),
          "prepare");

    double start = seconds();
    if (single_rows > 0) {
        for (int number = 0; number < single_rows; number++) insert(database, statement, "Single", number);
        report("durable_insert", single_rows, seconds() - start);
    } else {
        run(database, "BEGIN IMMEDIATE");
        for (int number = 0; number < BULK_ROWS; number++) insert(database, statement, "Bulk", number);
        run(database, "COMMIT");
        report("bulk_insert", BULK_ROWS, seconds() - start);
    }

    sqlite3_finalize(statement);
    check(database, sqlite3_close(database), "close");
    return 0;
}
