// Go's go-sql-driver/mysql.
package main

import (
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	_ "github.com/go-sql-driver/mysql"
)

var (
	file    = os.Getenv("STAGEWIRE_FILE")
	other   = os.Getenv("STAGEWIRE_OTHER")
	missing = os.Getenv("STAGEWIRE_MISSING")
	stage   = os.Getenv("STAGEWIRE_STAGE")
	options = os.Getenv("STAGEWIRE_STAGE_OPTIONS")
)

func main() {
	log.SetFlags(0)
	address := os.Getenv("STAGEWIRE_HOST") + ":" + os.Getenv("STAGEWIRE_PORT")
	db, err := sql.Open("mysql", "root@tcp("+address+")/?allowAllFiles=true")
	check(err)
	// One connection, so that what follows an error is really sent on the same one.
	db.SetMaxOpenConns(1)
	defer db.Close()
	if os.Args[1] == "up" {
		up(db)
	} else {
		down(db)
	}
}

func up(db *sql.DB) {
	before := connectionID(db)
	exec(db, "CREATE STAGE "+stage+" "+options)
	check(upload(db, file, "FALSE"))
	expectListed(db, file)
	if err := upload(db, missing, "FALSE"); err != nil {
		fmt.Println("missing file:", err)
	} else {
		log.Fatal("the upload of a missing file did not fail")
	}
	expectListed(db, file)
	// Skipped, because a file of that name is there: the listing still shows the first one.
	check(upload(db, other, "FALSE"))
	expectListed(db, file)
	if _, err := db.Prepare("PUT 'file://" + file + "' @" + stage); err == nil {
		log.Fatal("an upload could be prepared")
	}
	if after := connectionID(db); after != before {
		log.Fatalf("the driver had to connect anew: %s, then %s", before, after)
	}
}

func down(db *sql.DB) {
	check(upload(db, other, "TRUE"))
	expectListed(db, other)
	exec(db, "REMOVE @"+stage+"/"+filepath.Base(file))
	if found := listed(db); len(found) != 0 {
		log.Fatalf("LIST after REMOVE: %v", found)
	}
	exec(db, "DROP STAGE "+stage)
}

func upload(db *sql.DB, path, overwrite string) error {
	_, err := db.Exec("LOAD DATA LOCAL INFILE '" + path + "' INTO STAGE @" + stage +
		" AUTO_COMPRESS=FALSE OVERWRITE=" + overwrite)
	return err
}

func listed(db *sql.DB) []string {
	rows, err := db.Query("LIST @" + stage)
	check(err)
	defer rows.Close()
	var found []string
	for rows.Next() {
		var name, size string
		var md5, modified, creator sql.NullString
		check(rows.Scan(&name, &size, &md5, &modified, &creator))
		found = append(found, filepath.Base(name)+" "+size)
	}
	check(rows.Err())
	return found
}

func expectListed(db *sql.DB, path string) {
	info, err := os.Stat(path)
	check(err)
	expected := fmt.Sprint(filepath.Base(file), " ", info.Size())
	if found := listed(db); len(found) != 1 || found[0] != expected {
		log.Fatalf("LIST: expected %s, found %v", expected, found)
	}
}

func connectionID(db *sql.DB) (id string) {
	check(db.QueryRow("SELECT CONNECTION_ID()").Scan(&id))
	return id
}

func exec(db *sql.DB, statement string) {
	_, err := db.Exec(statement)
	check(err)
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}
