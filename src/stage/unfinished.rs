//! Uploads in parts that nobody goes on with: what a server that was killed has left in a bucket of S3's kind.
//!
//! They are invisible, and are paid for. Any number of servers may share the bucket, so age alone tells: of an upload
//! that goes on, new parts come all the time. Ages are by the storage's clock, which also says what time it is now: what
//! the clock of this server says may be wrong, or set at any moment. OpenDAL can't list them; the requests are our own,
//! signed by the library that signs OpenDAL's.

use std::time::{Duration, SystemTime};

use headers::{Date, HeaderMapExt};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use opendal::{Buffer, Error, ErrorKind, HttpTransporter};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqsign_aws_v4::{
    AssumeRoleCredentialProvider, Credential, DefaultCredentialProvider, RequestSigner,
    StaticCredentialProvider,
};
use reqsign_core::{Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::stage::calls::Calls;
use crate::stage::copy::Home;
use crate::stage::place::Scheme;

/// What a query may hold as it is. A path may also hold `/`.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &VALUE.remove(b'/');

/// How long a signature for nothing is good.
const MOMENT: Duration = Duration::from_secs(60);

/// A page of the answer to ListMultipartUploads. Without `encoding-type=url`, which Ceph RGW heeds for keys, but
/// neither for markers nor in what it says of the encoding; what XML can't hold is in no key of ours.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Uploads {
    is_truncated: bool,
    next_key_marker: String,
    next_upload_id_marker: String,
    upload: Vec<Upload>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    upload_id: String,
    initiated: Timestamp,
}

/// A page of the answer to ListParts.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Parts {
    is_truncated: bool,
    next_part_number_marker: String,
    part: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    last_modified: Timestamp,
}

/// Removes those that nobody has touched for so long; says how many.
pub(super) async fn collect(home: &Home, calls: &Calls) -> Result<usize, Error> {
    match Unfinished::of(home).await? {
        Some(unfinished) => unfinished.collect(calls).await,
        None => Ok(0),
    }
}

/// The uploads of one bucket whose keys begin as ours do.
struct Unfinished<'a> {
    home: &'a Home,
    /// The bucket's address, with a `/` at the end.
    url: String,
    signer: Signer<Credential>,
    way: HttpTransporter,
}

impl<'a> Unfinished<'a> {
    /// `None` where there are none of this kind, and where nothing is signed.
    async fn of(home: &'a Home) -> Result<Option<Unfinished<'a>>, Error> {
        if home.scheme != Scheme::S3 || home.settings.contains_key("skip_signature") {
            return Ok(None);
        }
        // OpenDAL knows which host a region has, and where a bucket's name goes.
        let signed = home.bucket()?.presign_read("x", MOMENT).await?;
        let url = signed.uri().to_string();
        let url = url.split('?').next().and_then(|url| url.strip_suffix('x'));
        let url = url.ok_or_else(|| unexpected("a URL of another form".to_owned()))?.to_owned();
        let way = home.calls.way(home.guard.as_ref());
        let signer = signer(home, way.clone());
        Ok(Some(Unfinished { home, url, signer, way }))
    }

    async fn collect(&self, calls: &Calls) -> Result<usize, Error> {
        let older = SignedDuration::try_from(calls.abandoned_after());
        let older = older.unwrap_or(SignedDuration::MAX);
        let (mut collected, mut key, mut id) = (0, String::new(), String::new());
        loop {
            let (page, now): (Uploads, _) = self
                .read(
                    "",
                    &[
                        ("key-marker", &key),
                        ("prefix", &self.home.root),
                        ("upload-id-marker", &id),
                        ("uploads", ""),
                    ],
                )
                .await?;
            let Ok(before) = now.checked_sub(older) else { return Ok(0) };
            for upload in page.upload.iter().filter(|upload| !calls.alive().has(&upload.key)) {
                if self.is_abandoned(upload, before).await? {
                    self.abort(upload).await?;
                    collected += 1;
                }
            }
            if !page.is_truncated || page.next_key_marker.is_empty() {
                return Ok(collected);
            }
            (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    async fn is_abandoned(&self, upload: &Upload, before: Timestamp) -> Result<bool, Error> {
        if upload.initiated > before {
            return Ok(false);
        }
        match self.newest(upload).await {
            Ok(newest) => Ok(newest <= before),
            // It has ended since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// When it was touched.
    async fn newest(&self, upload: &Upload) -> Result<Timestamp, Error> {
        let (mut newest, mut from) = (upload.initiated, "0".to_owned());
        loop {
            let query = [("part-number-marker", from.as_str()), ("uploadId", &upload.upload_id)];
            let (page, _): (Parts, _) = self.read(&upload.key, &query).await?;
            newest = page.part.iter().map(|part| part.last_modified).fold(newest, Ord::max);
            if !page.is_truncated || page.next_part_number_marker.is_empty() {
                return Ok(newest);
            }
            from = page.next_part_number_marker;
        }
    }

    async fn abort(&self, upload: &Upload) -> Result<(), Error> {
        match self.ask(Method::DELETE, &upload.key, &[("uploadId", &upload.upload_id)]).await {
            // Another server was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// An answer, and when it was given.
    async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
        query: &[(&str, &str)],
    ) -> Result<(T, Timestamp), Error> {
        let (head, body) = self.ask(Method::GET, key, query).await?.into_parts();
        let now = head.headers.typed_get::<Date>().map(SystemTime::from);
        let now = now.and_then(|now| Timestamp::try_from(now).ok());
        let now = now.ok_or_else(|| unexpected("an answer without a time".to_owned()))?;
        let answer = quick_xml::de::from_reader(body.to_bytes().as_ref()).map_err(|error| {
            unexpected("an answer that can't be understood".to_owned()).set_source(error)
        })?;
        Ok((answer, now))
    }

    /// Makes a request, once: the next collection is another try.
    async fn ask(
        &self,
        method: Method,
        key: &str,
        query: &[(&str, &str)],
    ) -> Result<http::Response<Buffer>, Error> {
        let query: Vec<String> = query
            .iter()
            .filter(|(name, value)| *name == "uploads" || !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, VALUE)))
            .collect();
        let url = format!("{}{}?{}", self.url, utf8_percent_encode(key, PATH), query.join("&"));
        let request = http::Request::builder().method(method).uri(url).body(());
        let request = request.map_err(|error| unexpected("a request".to_owned()).set_source(error));
        let (mut head, ()) = request?.into_parts();
        let answer = async {
            let signed = self.signer.sign(&mut head, None).await;
            signed.map_err(|error| unexpected("can't sign".to_owned()).set_source(error))?;
            // The transport says it by itself.
            head.headers.remove(http::header::HOST);
            self.way.send(http::Request::from_parts(head, Buffer::new())).await
        };
        let answer = tokio::time::timeout(self.home.calls.timeout(), answer).await;
        let answer = answer.map_err(|_| unexpected("no answer in time".to_owned()))??;
        match answer.status().as_u16() {
            200..300 => Ok(answer),
            404 => Err(Error::new(ErrorKind::NotFound, "")),
            status => {
                let text = String::from_utf8_lossy(&answer.body().to_bytes()).into_owned();
                Err(unexpected(format!("status {status}: {text}")))
            }
        }
    }
}

fn unexpected(what: String) -> Error {
    Error::new(ErrorKind::Unexpected, what)
}

/// With the credentials that OpenDAL has by the same settings.
fn signer(home: &Home, way: HttpTransporter) -> Signer<Credential> {
    let setting = |name: &str| home.settings.get(name).map(String::as_str);
    let region = setting("region").unwrap_or_default();
    let context = Context::new().with_file_read(TokioFileRead).with_env(OsEnv).with_http_send(way);
    let mut found = DefaultCredentialProvider::builder();
    if setting("disable_config_load").is_some() {
        found = found.no_env().no_profile();
    }
    if setting("disable_ec2_metadata").is_some() {
        found = found.no_imds();
    }
    let mut provider = ProvideCredentialChain::new().push(found.build());
    if let (Some(key), Some(secret)) = (setting("access_key_id"), setting("secret_access_key")) {
        let named = StaticCredentialProvider::new(key, secret);
        provider = provider.push_front(match setting("session_token") {
            Some(token) => named.with_session_token(token),
            None => named,
        });
    }
    if let Some(role) = setting("role_arn") {
        let asks = Signer::new(context.clone(), provider, RequestSigner::new("sts", region));
        let mut assumed = AssumeRoleCredentialProvider::new(role.to_owned(), asks)
            .with_region(region.to_owned())
            .with_regional_sts_endpoint();
        if let Some(id) = setting("external_id") {
            assumed = assumed.with_external_id(id.to_owned());
        }
        provider = ProvideCredentialChain::new().push(assumed);
    }
    Signer::new(context, provider, RequestSigner::new("s3", region))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Amazon's documentation of ListMultipartUploads has it, and as it is with nothing to tell.
    #[test]
    fn answers_are_understood() {
        let page: Uploads = quick_xml::de::from_str(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Bucket>b</Bucket><KeyMarker></KeyMarker><NextKeyMarker>a b</NextKeyMarker>\
             <NextUploadIdMarker>2</NextUploadIdMarker>\
             <IsTruncated>true</IsTruncated>\
             <Upload><Key>a b</Key><UploadId>1</UploadId><StorageClass>STANDARD</StorageClass>\
             <Initiator><ID>i</ID></Initiator><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>\
             <Upload><Key>c&amp;+&#x20;d</Key><UploadId>2</UploadId><Initiated>2010-11-10T20:48:33Z</Initiated>\
             </Upload></ListMultipartUploadsResult>",
        )
        .expect("a page");
        assert!(page.is_truncated && page.next_key_marker == "a b");
        let keys: Vec<&str> = page.upload.iter().map(|upload| upload.key.as_str()).collect();
        assert_eq!(keys, ["a b", "c&+ d"]);
        assert_eq!(page.upload[0].initiated, page.upload[1].initiated);
        let empty: Uploads = quick_xml::de::from_str(
            "<ListMultipartUploadsResult><Bucket>b</Bucket>\
                 <IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
        )
        .expect("a page");
        assert!(!empty.is_truncated && empty.upload.is_empty());
    }
}
