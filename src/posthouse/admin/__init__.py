"""Operations: everything an administrator can do, written once (ADM-1). Shell, protocol and API are derived from them."""
