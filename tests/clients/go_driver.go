// Go's go-sql-driver/mysql.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// What says how it was sent: only a statement that the server has prepared is shown as Execute.
const how = "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()"

var (
	file    = os.Getenv("STAGEWIRE_FILE")
	other   = os.Getenv("STAGEWIRE_OTHER")
	missing = os.Getenv("STAGEWIRE_MISSING")
	stage   = os.Getenv("STAGEWIRE_STAGE")
	options = os.Getenv("STAGEWIRE_STAGE_OPTIONS")
)

func main() {
	log.SetFlags(0)
	authorities := x509.NewCertPool()
	certificate, err := os.ReadFile(os.Getenv("STAGEWIRE_CA"))
	check(err)
	authorities.AppendCertsFromPEM(certificate)
	check(mysql.RegisterTLSConfig("stagewire", &tls.Config{RootCAs: authorities}))
	// Its own lines about lost connections tell nothing new.
	check(mysql.SetLogger(log.New(os.Stdout, "driver: ", 0)))
	db := open("root", "", false)
	defer db.Close()
	switch os.Args[1] {
	case "up":
		up(db)
	case "down":
		down(db)
	case "restart":
		restart(db)
	}
}

func open(user, password string, secure bool) *sql.DB {
	address := os.Getenv("STAGEWIRE_HOST") + ":" + os.Getenv("STAGEWIRE_PORT")
	parameters := "?allowAllFiles=true"
	if secure {
		parameters += "&tls=stagewire"
	}
	db, err := sql.Open("mysql", user+":"+password+"@tcp("+address+")/"+parameters)
	check(err)
	// One connection, so that what follows an error is really sent on the same one.
	db.SetMaxOpenConns(1)
	return db
}

// Twice, for the second time less is exchanged.
func logIn(column, user string, secure bool) {
	user = stage + "_" + user
	for times := 0; times < 2; times++ {
		db := open(user, os.Getenv("STAGEWIRE_PASSWORD"), secure)
		var me, name, cipher string
		check(db.QueryRow("SELECT CURRENT_USER()").Scan(&me))
		check(db.QueryRow("SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
		if strings.Split(me, "@")[0] != user || (cipher != "") != secure {
			log.Fatalf("%s: user %s, cipher %q", column, me, cipher)
		}
		check(db.Close())
	}
	cell(column, "yes")
}

func up(db *sql.DB) {
	logIn("native", "native", false)
	logIn("native_tls", "native", true)
	logIn("sha2", "sha2", false)
	logIn("sha2_tls", "sha2_tls", true)
	before := connectionID(db)
	exec(db, "CREATE STAGE "+stage+" "+options)
	check(upload(db, file, "FALSE"))
	expectListed(db, file)
	cell("list", "yes")
	prepared(db)
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
	_, err := db.Query("LIST @there_is_no_such_stage")
	var failure *mysql.MySQLError
	if !errors.As(err, &failure) || failure.Number != 1146 {
		log.Fatalf("LIST of a missing stage: %v", err)
	}
	// Newer ones show SQLSTATE too.
	cell("error", fmt.Sprint(failure.Number))
	if after := connectionID(db); after != before {
		log.Fatalf("the driver had to connect anew: %s, then %s", before, after)
	}
}

func prepared(db *sql.DB) {
	statement, err := db.Prepare(how)
	check(err)
	var found string
	check(statement.QueryRow().Scan(&found))
	check(statement.Close())
	if found != "Execute" {
		log.Fatalf("how it was sent: %s", found)
	}
	statement, err = db.Prepare("LIST @" + stage)
	check(err)
	defer statement.Close()
	rows, err := statement.Query()
	check(err)
	expect(listing(rows), file)
	cell("prepared", "yes")
}

func down(db *sql.DB) {
	check(upload(db, other, "TRUE"))
	expectListed(db, other)
	exec(db, "REMOVE @"+stage+"/"+filepath.Base(file))
	if found := listed(db); len(found) != 0 {
		log.Fatalf("LIST after REMOVE: %v", found)
	}
	exec(db, "DROP STAGE "+stage)
	kill(db)
}

func kill(db *sql.DB) {
	id := connectionID(db)
	killer := open("root", "", false)
	defer killer.Close()
	exec(killer, "KILL "+id)
	// KILL is answered when the other connection has been told, and its end is a moment later.
	for times := 0; ; times++ {
		var there int
		check(killer.QueryRow("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = " + id).Scan(&there))
		if there == 0 {
			break
		} else if times == 50 {
			log.Fatal("still there after KILL")
		}
		time.Sleep(100 * time.Millisecond)
	}
	lost("kill", db)
}

// The runner restarts the server when all programs have said that they are there.
func restart(db *sql.DB) {
	connectionID(db)
	check(os.WriteFile(os.Getenv("STAGEWIRE_READY"), nil, 0o644))
	for {
		if _, err := os.Stat(os.Getenv("STAGEWIRE_GO")); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	lost("restart", db)
}

// The connection is gone: the driver says so or makes another, and a new one works.
func lost(column string, db *sql.DB) {
	value := "itself"
	var one int
	if err := db.QueryRow("SELECT 1").Scan(&one); err != nil {
		fmt.Printf("%s: %v\n", column, err)
		value = "yes"
	}
	anew := open("root", "", false)
	defer anew.Close()
	check(anew.QueryRow("SELECT 1").Scan(&one))
	cell(column, value)
}

func cell(column, value string) { fmt.Println("cell", column, value) }

func upload(db *sql.DB, path, overwrite string) error {
	_, err := db.Exec("LOAD DATA LOCAL INFILE '" + path + "' INTO STAGE @" + stage +
		" AUTO_COMPRESS=FALSE OVERWRITE=" + overwrite)
	return err
}

func listed(db *sql.DB) []string {
	rows, err := db.Query("LIST @" + stage)
	check(err)
	return listing(rows)
}

func listing(rows *sql.Rows) (found []string) {
	defer rows.Close()
	for rows.Next() {
		var name, size string
		var md5, modified, creator sql.NullString
		check(rows.Scan(&name, &size, &md5, &modified, &creator))
		found = append(found, filepath.Base(name)+" "+size)
	}
	check(rows.Err())
	return found
}

func expectListed(db *sql.DB, path string) { expect(listed(db), path) }

func expect(found []string, path string) {
	info, err := os.Stat(path)
	check(err)
	expected := fmt.Sprint(filepath.Base(file), " ", info.Size())
	if len(found) != 1 || found[0] != expected {
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
