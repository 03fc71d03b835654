// One log-in: `LogIn.java QUERY clear|tls USER`.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

public class LogIn {
    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:mariadb://" + System.getenv("STAGEWIRE_HOST") + ":" + System.getenv("STAGEWIRE_PORT") + "/";
        url += arguments[1].equals("tls")
                ? "?useSSL=true&serverSslCert=" + System.getenv("STAGEWIRE_CA")
                : "?allowPublicKeyRetrieval=true";
        try (Connection connection = DriverManager.getConnection(url, arguments[2], "wo:rd @1");
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(arguments[0])) {
            rows.next();
            System.out.println(rows.getString(1));
        }
    }
}
